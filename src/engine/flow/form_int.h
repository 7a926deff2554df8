/* Shared by form.c and form_check.c. */
#ifndef PL_ENGINE_FLOW_FORM_INT_H
#define PL_ENGINE_FLOW_FORM_INT_H

#include "engine/flow/form.h"

#include <regex.h>

typedef enum field_check { CHECK_NONE, CHECK_USCC, CHECK_CN_ID, CHECK_EMAIL, CHECK_URL } field_check;

/* A condition on another field of the same level: its value is one of `is`. */
typedef struct field_when {
    pl_str        key; /* empty: no condition */
    const json_t *is;  /* array */
} field_when;

struct pl_field {
    pl_field_view v;
    bool          is_warning; /* what is outside the range warns: an unverified number */
    size_t        max_length; /* characters, or rows of a list */
    size_t        min_rows;
    bool          has_min, has_max;
    double        min, max;
    const json_t *options; /* array of {"id","zh","en"} */
    regex_t      *pattern; /* NULL: none */
    field_check   check;
    field_when    when;   /* required only then */
    pl_field     *fields; /* of a list */
    size_t        count;
};

/* left OP right; a side is a path into the values or a number. */
typedef struct form_compare {
    pl_str      left, right;
    double      number;
    bool        is_number;
    const char *op;
    bool        is_warning;
    pl_str      zh, en;
} form_compare;

struct pl_form {
    json_t       *tree; /* owned: everything borrowed above lives in it */
    pl_field     *fields;
    size_t        count;
    form_compare *compares;
    size_t        compare_count;
};
#endif
