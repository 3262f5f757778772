#include "base/scope.h"

#include <stdlib.h>
#include <string.h>

void vch_free_drop(void *pointer_to_pointer)
{
    void *p = NULL;
    memcpy(&p, pointer_to_pointer, sizeof p); /* any T** without breaking the aliasing rule */
    free(p);
    memset(pointer_to_pointer, 0, sizeof p);
}
