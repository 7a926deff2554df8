/* Properties: an image that opens can score any text; the shares of an explanation add up to the
 * raw score exactly; windows tile the text; what stands behind a text does not change it. */
#include "base/banned.h"

#include "base/hash.h"
#include "engine/text/model.h"
#include "fuzz_int.h"

#define BITS 6

static void put_checksum_right(char *p, size_t n)
{
    uint32_t crc = n >= 64 ? pl_crc32c(p + 64, n - 64) : 0;

    if (n >= 64)
        memcpy(p + 12, &crc, sizeof crc);
}

static void explanation_adds_up(const pl_model *m, pl_str window)
{
    static pl_model_feature all[3 * PL_MODEL_WINDOW];
    pl_model_score          score[PL_MODEL_LABELS_MAX];

    (void)pl_model_run(m, window, score);
    for (size_t label = 0; label < pl_model_label_count(m); label++) {
        size_t  n = 0, total = 0;
        int64_t sum = 0;

        CLAIM(pl_model_explain(m, window, label, all, 3 * PL_MODEL_WINDOW, &n, &total, NULL) ==
              PL_OK);
        CLAIM(n == total);
        for (size_t i = 0; i < n; i++) {
            CLAIM(all[i].start < all[i].end && all[i].end <= window.n);
            sum += all[i].share;
        }
        CLAIM(sum == score[label].raw);
        CLAIM(score[label].probability >= 0 && score[label].probability <= 1);
    }
}

static void padding_changes_nothing(const pl_model *m, pl_str text)
{
    pl_model_score a[PL_MODEL_LABELS_MAX], b[PL_MODEL_LABELS_MAX];
    char          *padded = malloc(text.n + 40);

    CLAIM(padded);
    memcpy(padded, text.p, text.n);
    memset(padded + text.n, ' ', 40);
    (void)pl_model_run(m, text, a);
    (void)pl_model_run(m, (pl_str){ padded, text.n + 40 }, b);
    CLAIM(a[0].raw == b[0].raw);
    free(padded);
}

static void score(const pl_model *m, pl_str text)
{
    pl_model_score best[PL_MODEL_LABELS_MAX];
    size_t         from = 0;

    (void)pl_model_run_windows(m, text, best);
    while (from < text.n) {
        size_t end = pl_model_window(text, from);

        CLAIM(end > from && end <= text.n && end - from <= PL_MODEL_WINDOW);
        explanation_adds_up(m, (pl_str){ text.p + from, end - from });
        from = end;
    }
    padding_changes_nothing(m, text);
}

/* A sound image whose bytes the input then spoils. */
static void *image_make(input *in, size_t *n)
{
    static int8_t weights[PL_MODEL_LABELS_MAX << BITS];
    pl_model_plan plan = { .labels = 1u + take_byte(in) % PL_MODEL_LABELS_MAX, .bits = BITS,
                           .weights = weights };
    void         *image = NULL;

    for (size_t i = 0; i < sizeof weights; i++)
        weights[i] = (int8_t)(i * 37 + take_byte(in));
    for (size_t i = 0; i < plan.labels; i++) {
        snprintf(plan.name[i], sizeof plan.name[i], "l%zu", i);
        for (size_t lang = 0; lang < PL_MODEL_LANGS; lang++)
            plan.scale[i][lang] = (pl_model_scale){ 0.1f, 0, 1, 0, 0.01f, 0.05f };
    }
    CLAIM(pl_model_build(&plan, &image, n, NULL) == PL_OK);
    return image;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input     in = { data, size };
    size_t    n = 0, spoils = take_byte(&in) % 8;
    pl_str    text = take_bytes(&in, size / 2);
    char     *copy = exact_copy(text.p, text.n), *image = image_make(&in, &n);
    pl_model *m = NULL;
    pl_rc     rc;

    for (size_t i = 0; i < spoils; i++)
        image[((size_t)take_byte(&in) << 8 | take_byte(&in)) % n] = (char)take_byte(&in);
    put_checksum_right(image, n);
    rc = pl_model_open((pl_str){ image, n }, &m, NULL);
    CLAIM(rc == PL_OK || rc == PL_INVALID);
    CLAIM(rc == PL_OK || spoils > 0);
    if (rc == PL_OK)
        score(m, (pl_str){ copy, text.n });
    pl_model_free(m);
    free(image);
    free(copy);
    return 0;
}
