/* SPDX-License-Identifier: ISC */
/* test_dane.c: OpenSSL's DANE cases (testdata/dane), by what we do with them: a record for the
 * certificate itself says nothing of names, and the usages of web servers are of no use to mail
 * (RFC 7672 3.1), so that whoever has nothing but those is not looked at.
 *
 *     TLSA-COUNT CERTIFICATE-COUNT NO-NAME-CHECKS RESULT DEPTH
 *     USAGE SELECTOR MATCHING HEX          TLSA-COUNT times
 *     certificates, as PEM
 */
#include "testing.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_inner.h"

enum { RECORDS_MAX = 8, DATA_MAX = 2048, CERTIFICATES_MAX = 8, LINE_MAX_HERE = 8192 };

struct dane_case {
    unsigned records, certificates, no_name_checks;
    int result;
    struct security security;
    char data[RECORDS_MAX][DATA_MAX];
    X509 *certificate[CERTIFICATES_MAX];
};

static FILE *open_testdata(const char *name)
{
    const char *folder = getenv("HOLDFAST_TESTDATA");
    char path[4096];

    if (folder == NULL)
        return NULL;
    (void)snprintf(path, sizeof path, "%s/dane/%s", folder, name);
    return fopen(path, "r");
}

static bool read_line(FILE *file, char *line)
{
    while (fgets(line, LINE_MAX_HERE, file) != NULL)
        if (line[0] != '#' && line[0] != '\n')
            return true;
    return false;
}

/* The next number of the line. */
static unsigned number(struct str *line)
{
    struct str word;
    uint64_t value = 0;

    assert_true(str_cut(line, ' ', &word) && str_to_u64(str_trim(word), 1000, &value));
    return (unsigned)value;
}

static unsigned digit(char c)
{
    c = ascii_lower(c);
    return (unsigned)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
}

static void read_record(struct dane_case *one, uint32_t index, struct str line)
{
    struct security_tlsa *tlsa = &one->security.tlsa[index];
    size_t len = 0;

    tlsa->usage = (uint8_t)number(&line);
    tlsa->selector = (uint8_t)number(&line);
    tlsa->matching = (uint8_t)number(&line);
    line = str_trim(line);
    for (; 2 * len + 1 < line.len; len++)
        one->data[index][len] =
            (char)(digit(line.ptr[2 * len]) << 4 | digit(line.ptr[2 * len + 1]));
    tlsa->data = str_of(one->data[index], len);
}

static bool read_case(FILE *file, struct dane_case *one)
{
    char line[LINE_MAX_HERE];

    *one = (struct dane_case){ .security = { .level = SECURITY_TLSA } };
    if (!read_line(file, line))
        return false;
    struct str numbers = str_from(line);
    one->records = number(&numbers);
    one->certificates = number(&numbers);
    one->no_name_checks = number(&numbers);
    one->result = (int)number(&numbers);
    assert_true(one->records <= RECORDS_MAX && one->certificates <= CERTIFICATES_MAX);
    for (unsigned i = 0; i < one->records; i++) {
        assert_true(read_line(file, line));
        read_record(one, i, str_from(line));
    }
    one->security.tlsa_count = one->records;
    one->security.name[one->security.name_count++] = STR("example.com");
    for (unsigned i = 0; i < one->certificates; i++) {
        one->certificate[i] = PEM_read_X509(file, NULL, NULL, NULL);
        assert_non_null(one->certificate[i]);
    }
    return true;
}

/* Are we content with this chain? */
static bool judge(struct tls_client *client, const struct dane_case *one)
{
    struct tls *tls = tls_connect(client, &one->security, STR_NONE);
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509_STORE_CTX *store = X509_STORE_CTX_new();

    assert_true(chain != NULL && store != NULL);
    for (unsigned i = 1; i < one->certificates; i++)
        assert_true(sk_X509_push(chain, one->certificate[i]) > 0);
    assert_int_equal(X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(SSL_get_SSL_CTX(tls->ssl)),
                                         one->certificate[0], chain),
                     1);
    assert_int_equal(
        X509_STORE_CTX_set_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx(), tls->ssl), 1);
    (void)X509_STORE_CTX_set_default(store, "ssl_server");
    (void)X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(store), SSL_get0_param(tls->ssl));
    X509_STORE_CTX_set0_dane(store, SSL_get0_dane(tls->ssl));
    bool is_content = tls_judge_chain(store, NULL) == 1;
    X509_STORE_CTX_free(store);
    sk_X509_free(chain);
    tls_free(tls);
    return is_content;
}

static bool is_wanted(const struct dane_case *one)
{
    bool is_usable = false;
    bool is_of_certificate = true;

    for (unsigned i = 0; i < one->records; i++) {
        is_usable = is_usable || one->security.tlsa[i].usage >= 2;
        is_of_certificate = is_of_certificate && one->security.tlsa[i].usage == 3;
    }
    if (!is_usable)
        return true;
    return one->result == X509_V_OK ||
           (is_of_certificate && one->result == X509_V_ERR_HOSTNAME_MISMATCH);
}

static void judges_as_openssl_does(void **state)
{
    FILE *file = open_testdata("danetest.in");
    FILE *anchors = open_testdata("danetest.pem");
    char pem[16384];
    struct dane_case one;
    unsigned cases = 0, usable = 0;
    (void)state;
    if (file == NULL || anchors == NULL)
        skip();
    size_t len = fread(pem, 1, sizeof pem, anchors);
    struct tls_client *client = tls_client_new(str_of(pem, len));
    while (read_case(file, &one)) {
        if (judge(client, &one) != is_wanted(&one))
            fail_msg("case %u: usage %u, result %d", cases, one.security.tlsa[0].usage, one.result);
        for (unsigned i = 0; i < one.certificates; i++)
            X509_free(one.certificate[i]);
        usable += one.records > 0 && one.security.tlsa[0].usage >= 2;
        cases++;
    }
    printf("%u cases, %u with records of use\n", cases, usable);
    assert_int_equal(cases, 54);
    tls_client_free(client);
    (void)fclose(file);
    (void)fclose(anchors);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(judges_as_openssl_does) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
