/* model card: what a model is. */
#include "base/banned.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "cap/text/model_int.h"
#include "cap/text/names_train.h"

/* PL_CONFLICT: the card is of another file. */
static pl_rc card_read(const model_opened *o, json_t **out, pl_error *err)
{
    char   *path = pl_path_join(o->dir, MODEL_CARD), *text = NULL, hex[65];
    json_t *card = NULL;
    uint8_t digest[32];
    size_t  n = 0;
    pl_rc   rc = pl_file_read(path, MODEL_FILE_MAX, &text, &n, err);

    if (rc == PL_OK)
        rc = pl_json_parse((pl_str){ text, n }, path, &card, err);
    free(text);
    free(path);
    if (rc != PL_OK)
        return rc;
    pl_sha256_of((pl_str){ o->image, o->image_n }, digest);
    pl_hex(digest, sizeof digest, hex);
    if (!pl_str_eqz(pl_str_z(json_string_value(json_object_get(card, "sha256"))), hex)) {
        json_decref(card);
        return pl_fail(err, PL_CONFLICT, "the card describes another model file");
    }
    *out = card;
    return PL_OK;
}

int pl_text_cmd_model_card(pl_cmd_ctx *c)
{
    model_opened   o = { 0 };
    json_t  *card = NULL;
    pl_buf   page = PL_BUF_INIT(4u << 20);
    pl_error err = { 0 };
    int      used = 0, code = PL_EXIT_OK;
    pl_rc    rc;

    if (c->argc == 1 && names_cmd_has(c->argv[0]))
        return names_cmd_card(c);
    rc = model_open(c, NULL, &o, &used, &err);
    if (rc == PL_OK && used < c->argc)
        rc = pl_fail(&err, PL_NOTFOUND, "no model '%.200s'", c->argv[0]);
    if (rc == PL_OK)
        rc = card_read(&o, &card, &err);
    if (rc == PL_CONFLICT) {
        (void)fprintf(c->err, "plumbline: %s\n", err.text);
        code = PL_EXIT_FOUND;
    } else if (rc != PL_OK) {
        code = pl_cmd_fail(c, &err);
    } else if (c->json) {
        code = model_print_json(c, json_incref(card), PL_EXIT_OK);
    } else {
        model_card_print(card, strcmp(c->lang, "zh-CN") == 0, &page);
        (void)fwrite(page.p ? page.p : "", 1, page.n, c->out);
    }
    pl_buf_done(&page);
    json_decref(card);
    model_close(&o);
    return code;
}

const pl_opt pl_text_model_card_options[] = { { NULL, NULL, NULL, NULL } };
