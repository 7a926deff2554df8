/* From policy source to database: what the .c files of the compiler share. */
#ifndef PL_GUARD_POLICY_SOURCE_H
#define PL_GUARD_POLICY_SOURCE_H

#include "base/yaml.h"
#include "base/yaml_at.h"
#include "cap/guard/guard_int.h"
#include "cap/guard/policy_lexicon.h"
#include "engine/text/pii.h"

typedef struct compiler {
    const char        *source; /* its name */
    pl_str             text;   /* its bytes, for positions in messages */
    const char *const *folders;
    pl_error          *err;
    pl_textdb_builder *builder;
    pl_variants       *variants;
    json_t            *doc; /* the POLC section in the making */
    pl_pii_config      detectors;
    bool               has_detectors;
    char              *model; /* the MODL section, or NULL */
    size_t             model_n;
    char              *names; /* the NAME section, or NULL */
    size_t             names_n;
    unsigned           floor[PL_PII_KINDS]; /* least scores the source gives; 0: none */
} compiler;

#define POINTER_MAX 160

/* where: JSON pointer of the value that breaks the rule. */
pl_rc policy_bad(compiler *c, const char *where, const char *what);
/* An object with known members only; keys is NULL-ended. */
pl_rc policy_only(compiler *c, const char *where, const json_t *o, const char *const *keys, const char *what);
bool  policy_one_of(const json_t *v, const char *const *names);
bool  policy_is_severity(const json_t *v);
/* "90s", "10m", "2h", "7d" */
bool  policy_duration(const json_t *v, int64_t *ms);

/* policy_routes.c: `routes` and `tenants` of the source into c->doc. */
pl_rc policy_routes(compiler *c, const json_t *src);
/* policy_limits.c: a route's `limits` into out; base: those it inherits, or NULL. */
pl_rc policy_limits(compiler *c, const char *route, const json_t *r, const json_t *base, json_t *out);
pl_rc policy_budgets(compiler *c, const char *route, const json_t *r, const json_t *base, json_t *out);
/* policy_review.c: the section, which may be missing, into c->doc. */
pl_rc policy_review_read(compiler *c, const json_t *section);

#endif
