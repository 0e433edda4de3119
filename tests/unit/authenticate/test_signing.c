/* SPDX-License-Identifier: ISC */
/* test_signing.c: a message of our own, signed, is believed by who looks at it as RFC 6376 says;
 * and not when something has been changed. */
#include "testing.h"

#include <openssl/pem.h>

#include "authenticate/dkim.h"
#include "authenticate/letter.h"
#include "authenticate/signing.h"
#include "base/base64.h"

#define MAIL                                                                                       \
    "From: <tls@mx.example.net>\r\n"                                                               \
    "To: <reports@example.com>\r\n"                                                                \
    "Subject: Report Domain: example.com\r\n"                                                      \
    " Submitter: mx.example.net\r\n"                                                               \
    "TLS-Report-Domain: example.com\r\n"                                                           \
    "\r\n"                                                                                         \
    "The first line\r\n"                                                                           \
    "and the last.\r\n"

static EVP_PKEY *make_key(bool is_rsa)
{
    return is_rsa ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                  : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void read_key(EVP_PKEY *made, struct signing_key *out_key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;

    assert_int_equal(PEM_write_bio_PrivateKey(bio, made, NULL, NULL, 0, NULL, NULL), 1);
    long len = BIO_get_mem_data(bio, &pem);
    assert_true(
        signing_key_read(str_of(pem, (size_t)len), STR("mx.example.net"), STR("one"), out_key));
    BIO_free(bio);
}

/* What the DNS says of it: RFC 6376 3.6.1, RFC 8463 4. */
static void publish(EVP_PKEY *made, bool is_rsa, struct dns_answers *known)
{
    unsigned char room[4096];
    unsigned char *end = room;
    size_t len = sizeof room;
    struct buf text = { 0 };

    if (is_rsa)
        len = (size_t)i2d_PUBKEY(made, &end);
    else
        assert_int_equal(EVP_PKEY_get_raw_public_key(made, room, &len), 1);
    buf_add(&text, is_rsa ? STR("v=DKIM1; k=rsa; p=") : STR("v=DKIM1; k=ed25519; p="));
    base64_add(&text, str_of(room, len));
    struct dns_record record = { .data = buf_str(&text) };
    const struct dns_answer answer = { .status = DNS_FOUND, .record = &record, .record_count = 1 };
    const struct dns_question question = { .name = STR("one._domainkey.mx.example.net"),
                                           .type = DNS_TXT };
    dns_answers_add(known, question, &answer);
    buf_fini(&text);
}

static enum dkim_result judge(struct str mail, const struct dns_answers *known)
{
    struct body_hashes hashes = { 0 };
    struct arena arena = { 0 };
    struct buf room = { 0 };
    struct dns_question question;
    struct letter letter;
    struct header header;
    struct dkim dkim;

    letter_make(mail, &letter);
    header_parse(letter.header, &arena, &header);
    dkim_header(&dkim, &header, 1795886500, &hashes);
    body_hashes_add(&hashes, letter.body);
    body_hashes_end(&hashes);
    assert_int_equal(dkim.count, 1);
    assert_true(dkim_decide(&dkim, &hashes, known, &room, &question));
    enum dkim_result result = dkim.verdict[0].result;
    dkim_fini(&dkim);
    body_hashes_fini(&hashes);
    letter_fini(&letter);
    arena_fini(&arena);
    buf_fini(&room);
    return result;
}

static void changed(struct str mail, size_t at, struct buf *out)
{
    buf_reset(out);
    buf_add(out, mail);
    out->ptr[at] = out->ptr[at] == 'x' ? 'y' : 'x';
}

static void looks_at(bool is_rsa)
{
    EVP_PKEY *made = make_key(is_rsa);
    struct dns_answers known = { 0 };
    struct signing_key key;
    struct buf mail = { 0 };
    struct buf other = { 0 };

    read_key(made, &key);
    publish(made, is_rsa, &known);
    assert_true(signing_add_mail(&key, STR(MAIL), 1795886400, &mail));
    assert_true(str_ends_nocase(buf_str(&mail), STR(MAIL)));
    assert_int_equal(judge(buf_str(&mail), &known), DKIM_PASS);
    changed(buf_str(&mail), mail.len - 5, &other);
    assert_int_equal(judge(buf_str(&other), &known), DKIM_FAIL);
    changed(buf_str(&mail), mail.len - sizeof MAIL + 8, &other);
    assert_int_equal(judge(buf_str(&other), &known), DKIM_FAIL);
    buf_reset(&other);
    buf_add(&other, STR("From: <somebody@example.org>\r\n"));
    buf_add(&other, buf_str(&mail));
    assert_int_equal(judge(buf_str(&other), &known), DKIM_FAIL);
    signing_key_fini(&key);
    EVP_PKEY_free(made);
    dns_answers_fini(&known);
    buf_fini(&mail);
    buf_fini(&other);
}

static void is_believed_with_rsa(void **state)
{
    (void)state;
    looks_at(true);
}

static void is_believed_with_ed25519(void **state)
{
    (void)state;
    looks_at(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_believed_with_rsa),
        cmocka_unit_test(is_believed_with_ed25519),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
