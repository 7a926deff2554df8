/* Numbers that authorities give to filings: made and checked by a template out of a pack.
 *
 * A template is text with parts in braces:
 *     网信算备{region:6}{entity:7}{class:2}{year:2}{serial:3}{check}号
 * A part has a name and, when it is of digits only, their count. `{check}` is one digit over all
 * digits before it, c = base + step * ((sum of weight[i mod m] * digit[i]) mod modulus). Where the
 * formula is inferred from public data (cn-assessment §3.2) a wrong check digit warns and never
 * rejects. Pure. */
#ifndef PL_ENGINE_FLOW_NUMBER_H
#define PL_ENGINE_FLOW_NUMBER_H

#include "base/buf.h"
#include "base/json.h"

typedef struct pl_number pl_number;

/* {"id", "template", "pattern"?, "check"?: {"weights", "modulus", "base", "step"}, …}; keys that are
 * not about the form of the number are left to the caller. */
pl_rc pl_number_new(const json_t *tree, const char *where, pl_number **out, pl_error *err);
void  pl_number_free(pl_number *n); /* NULL-safe */

/* Makes a number: `part` gives the text of a part, PL_NOTFOUND when it cannot. Digits are padded
 * with zeros on the left; more digits than fit are PL_LIMIT. */
typedef pl_rc (*pl_number_part_fn)(void *ctx, pl_str name, pl_buf *out, pl_error *err);
pl_rc pl_number_make(const pl_number *n, pl_number_part_fn part, void *ctx, pl_buf *out,
                     pl_error *err);

typedef enum pl_number_verdict {
    PL_NUMBER_GOOD,
    PL_NUMBER_BAD_CHECK, /* of the right form; its check digit is another than the formula's */
    PL_NUMBER_BAD_FORM
} pl_number_verdict;
pl_number_verdict pl_number_check(const pl_number *n, pl_str text);
#endif
