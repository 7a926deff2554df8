/* Shared by the .c files of cap/label only. */
#ifndef PL_LABEL_INT_H
#define PL_LABEL_INT_H

#include "base/buf.h"
#include "cap/capability.h"
#include "cap/label/pl_label.h"

#define PL_LABEL_FILE_MAX     (64u << 20)

/* PL_OK when the bytes are text this capability can work on. PL_INVALID otherwise, with
 * `name` in the message. */
pl_rc pl_label_text_check(pl_str bytes, const char *name, pl_error *err);

/* The wording for a text nobody chose one for: Chinese for mostly Chinese text. */
pl_str pl_label_default(pl_str text);

typedef enum pl_label_place { PL_LABEL_END, PL_LABEL_START } pl_label_place;
/* Appends text and label to out. Every byte of the text stays; line ends follow its style.
 * PL_INVALID when the wording does not conform (REQ: GB45438-2025/5.1) or has a line break,
 * PL_CONFLICT when the text already carries it at that place. */
pl_rc pl_label_text_add(pl_str text, pl_str label, pl_label_place place, pl_buf *out, pl_error *err);

/* Why what people read is no label that conforms; static texts. */
typedef struct label_problem {
    const char *en, *zh;
} label_problem;

typedef struct label_found {
    pl_str               value;    /* inside the text */
    int                  position; /* as in pl_textlabel_result */
    bool                 conforms;
    const label_problem *problem;  /* NULL when it conforms; static */
} label_found;

/* True when a label, conforming or not, was found. */
bool pl_label_text_find(pl_str text, label_found *out);

extern const pl_cmd   pl_label_commands[];

extern const pl_route      pl_label_routes[];
extern const pl_body_limit pl_label_bodies[];
pl_rc pl_label_before_keys(pl_error *err);
pl_rc pl_label_start(pl_services *s, pl_db *db, pl_error *err);
void  pl_label_stop(pl_services *s);
void  pl_label_health(pl_services *s, pl_db *db, json_t *problems);
int label_cmd_inspect(pl_cmd_ctx *c);
int label_cmd_lint(pl_cmd_ctx *c);

#endif
