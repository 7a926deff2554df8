/* Content that only this installation can read: authenticated encryption of one message.
 *
 * AES-256-GCM (NIST SP 800-38D) under a key that is used once: HMAC-SHA256(key, "plumbline.seal.v1" || 0 ||
 * salt) with 32 random bytes of salt, so that the nonce can be zero and no two messages share a key, however
 * many there are. Layout: "PLSEAL01", salt, ciphertext, 16 bytes tag (docs/formats/reviews.md). `about` is bound
 * to the message and not part of it: what was sealed about one exchange opens about no other. Any thread. */
#ifndef PL_GUARD_SEAL_H
#define PL_GUARD_SEAL_H

#include "base/buf.h"

#define PL_SEAL_KEY  32
#define PL_SEAL_MORE (8 + 32 + 16) /* bytes by which a sealed message is longer */

/* Appends to out. */
pl_rc pl_seal(const uint8_t key[PL_SEAL_KEY], pl_str about, pl_str plain, pl_buf *out, pl_error *err);
/* Appends to out, whose memory the caller wipes. PL_INVALID: another key or thing, or it was changed. */
pl_rc pl_unseal(const uint8_t key[PL_SEAL_KEY], pl_str about, pl_str sealed, pl_buf *out, pl_error *err);
/* pl_buf_done, after its memory was overwritten. */
void pl_buf_wipe(pl_buf *b);
#endif
