#include "fed/tensor/npy.h"

#include "base/bytes.h"

#define MAGIC "\x93NUMPY"
#define PREFIX_SIZE ((size_t)10) /* magic, version, size of the header */
#define ALIGNMENT ((size_t)64)   /* of the values in the file */

/* A tuple as Python writes it: (), (10,), (64, 10). */
static void write_shape(const vch_shape *shape, vch_buffer *out)
{
    vch_buffer_u8(out, '(');
    for (uint32_t i = 0; i < shape->rank; i++)
        vch_buffer_append_fmt(out, "%d%s", shape->dim[i],
                              shape->rank == 1      ? ","
                              : i + 1 < shape->rank ? ", "
                                                    : "");
    vch_buffer_u8(out, ')');
}

void vch_npy_write(const vch_tensor *t, vch_buffer *out)
{
    vch_buffer head = vch_buffer_with_cap(VCH_NPY_HEAD_MAX);
    vch_buffer_append_str(&head, "{'descr': '<f4', 'fortran_order': False, 'shape': ");
    write_shape(&t->shape, &head);
    vch_buffer_append_str(&head, ", }");
    while ((PREFIX_SIZE + head.size + 1) % ALIGNMENT != 0 && head.failed == VOUCH_OK)
        vch_buffer_u8(&head, ' ');
    vch_buffer_u8(&head, '\n');
    vch_buffer_append_str(out, MAGIC);
    vch_buffer_u8(out, 1);
    vch_buffer_u8(out, 0);
    vch_buffer_u16le(out, (uint16_t)head.size);
    vch_buffer_append(out, vch_buffer_span(&head));
    vch_buffer_append(out, vch_tensor_bytes(t));
    vch_buffer_drop(&head);
}
