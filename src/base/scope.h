/*
 * Ownership that ends with the block: `VCH_SCOPED(drop) type name = init;` calls drop(&name) when
 * the block is left. Declare and initialise on one line. Give a pointer away with VCH_MOVE.
 */
#ifndef VCH_BASE_SCOPE_H
#define VCH_BASE_SCOPE_H

#define VCH_SCOPED(drop) __attribute__((cleanup(drop)))

/* The pointer's value; the variable becomes NULL, so that its scope drops nothing. */
#define VCH_MOVE(p)                                                                                \
    __extension__({                                                                                \
        __typeof__(p) moved_ = (p);                                                                \
        (p) = NULL;                                                                                \
        moved_;                                                                                    \
    })

/* Define `static void name(type **p)` that frees *p, for types freed through their pointer. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in parentheses here */
#define VCH_DEFINE_DROP(name, type, free_function)                                                 \
    static inline void name(type **p)                                                              \
    {                                                                                              \
        free_function(*p);                                                                         \
        *p = NULL;                                                                                 \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

/* For malloc'd memory: VCH_SCOPED(vch_free_drop) char *text = NULL; */
void vch_free_drop(void *pointer_to_pointer);

#endif
