/* SPDX-License-Identifier: ISC */
/* test_tls.c: a client and a server of ours, with nothing but memory between them. */
#include "testing.h"

#include "net/tls.h"
#include "net/tls_inner.h"
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

struct side {
    struct tls *tls;
    struct buf out; /* on its way to the other */
    struct buf heard;
};

struct pair {
    struct buf chain, key;
    struct tls_server *server;
    struct tls_client *client;
    struct str anchors;
    struct side at_client, at_server;
};

static struct tls_server *server_for(const struct tls_certificate *certificate, size_t count)
{
    static const char key[TLS_TICKET_KEY_SIZE] = "the same everywhere";
    const struct tls_server_settings settings = { .certificate = certificate,
                                                  .certificate_count = count,
                                                  .ticket_key = str_of(key, sizeof key) };
    struct buf why = { 0 };
    struct tls_server *server = tls_server_new(&settings, &why);

    assert_true((server == NULL) == (why.len > 0));
    buf_fini(&why);
    return server;
}

static void begin(struct pair *pair, const char *name)
{
    *pair = (struct pair){ 0 };
    assert_true(tls_make_certificate(str_from(name), &pair->chain, &pair->key));
    struct tls_certificate certificate = { buf_str(&pair->chain), buf_str(&pair->key) };
    pair->server = server_for(&certificate, 1);
    assert_non_null(pair->server);
    pair->client = tls_client_new(STR_NONE);
}

static void side_fini(struct side *side)
{
    tls_free(side->tls);
    buf_fini(&side->out);
    buf_fini(&side->heard);
    *side = (struct side){ 0 };
}

static void end(struct pair *pair)
{
    side_fini(&pair->at_client);
    side_fini(&pair->at_server);
    tls_server_free(pair->server);
    tls_client_free(pair->client);
    buf_fini(&pair->chain);
    buf_fini(&pair->key);
}

/* What one has for the other, `step` octets at a time. */
static bool carry(struct side *from, struct side *to, size_t step)
{
    struct buf bytes = from->out;
    char room[100];
    size_t got;

    from->out = (struct buf){ 0 };
    for (struct str left = buf_str(&bytes); left.len > 0;) {
        struct str piece = str_first(left, step);
        left = str_skip(left, piece.len);
        tls_feed(to->tls, piece, &to->out);
        while ((got = tls_read(to->tls, room, sizeof room, &to->out)) > 0)
            buf_add_bytes(&to->heard, room, got);
    }
    bool carried = bytes.len > 0;
    buf_fini(&bytes);
    return carried;
}

static void settle(struct pair *pair, size_t step)
{
    bool to_server = true;
    bool to_client = true;

    while (to_server || to_client) {
        to_server = carry(&pair->at_client, &pair->at_server, step);
        to_client = carry(&pair->at_server, &pair->at_client, step);
    }
}

static void meet(struct pair *pair, const struct security *security, size_t step)
{
    side_fini(&pair->at_client);
    side_fini(&pair->at_server);
    pair->at_client.tls = tls_connect(pair->client, security, pair->anchors);
    pair->at_server.tls = tls_accept(pair->server, false);
    tls_feed(pair->at_client.tls, STR_NONE, &pair->at_client.out);
    settle(pair, step);
}

static bool is_open(const struct pair *pair)
{
    bool client = tls_state(pair->at_client.tls) == TLS_OPEN;
    return client && tls_state(pair->at_server.tls) == TLS_OPEN;
}

static void they_understand_each_other_however_it_is_cut(void **state)
{
    static const size_t step[] = { 1, 7, 100000 };
    struct pair pair;
    struct security security = { .level = SECURITY_MUST };
    struct buf large = { 0 };

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_add_byte(&large, (char)('a' + i % 26));
    begin(&pair, "mx.example.org");
    for (size_t i = 0; i < COUNT_OF(step); i++) {
        meet(&pair, &security, step[i]);
        assert_true(is_open(&pair));
        assert_str(tls_facts(pair.at_server.tls).version, STR("TLSv1.3"));
        tls_write(pair.at_client.tls, STR("EHLO client\r\n"), &pair.at_client.out);
        tls_write(pair.at_server.tls, buf_str(&large), &pair.at_server.out);
        settle(&pair, step[i]);
        assert_str(buf_str(&pair.at_server.heard), STR("EHLO client\r\n"));
        assert_str(buf_str(&pair.at_client.heard), buf_str(&large));
        tls_end(pair.at_client.tls, &pair.at_client.out);
        buf_add(&pair.at_client.out, STR("what follows the end"));
        settle(&pair, step[i]);
        assert_int_equal(tls_state(pair.at_server.tls), TLS_CLOSED);
        tls_feed(pair.at_server.tls, STR("and more"), &pair.at_server.out); /* to no effect */
        assert_int_equal(tls_state(pair.at_server.tls), TLS_CLOSED);
    }
    buf_fini(&large);
    end(&pair);
}

static void who_speaks_no_tls_is_told_so(void **state)
{
    struct pair pair;
    (void)state;
    begin(&pair, "mx.example.org");
    pair.at_server.tls = tls_accept(pair.server, false);
    tls_feed(pair.at_server.tls, STR("EHLO client.example.org\r\n"), &pair.at_server.out);
    assert_int_equal(tls_state(pair.at_server.tls), TLS_FAILED);
    assert_int_equal(tls_fault(pair.at_server.tls), TLS_FAULT_HANDSHAKE);
    assert_true(tls_why(pair.at_server.tls).len > 0);
    tls_feed(pair.at_server.tls, STR("more"), &pair.at_server.out); /* to no effect */
    assert_int_equal(tls_state(pair.at_server.tls), TLS_FAILED);
    end(&pair);
}

/* ---- who the server is ---- */

static void expect_fault(struct pair *pair, const struct security *security, enum tls_fault fault)
{
    meet(pair, security, 100000);
    assert_int_equal(tls_fault(pair->at_client.tls), fault);
    assert_int_equal(is_open(pair), fault == TLS_FAULT_NONE);
    if (fault != TLS_FAULT_NONE)
        assert_int_equal(tls_state(pair->at_client.tls), TLS_FAILED);
}

/* What counts is what was looked at, not what was wanted. */
static void expect_proof(struct pair *pair, const struct security *security, bool has_proved)
{
    expect_fault(pair, security, TLS_FAULT_NONE);
    assert_int_equal(tls_peer_has_proved(pair->at_client.tls), has_proved);
    assert_false(tls_peer_has_proved(pair->at_server.tls));
}

static void a_name_needs_somebody_who_is_trusted(void **state)
{
    struct pair pair;
    struct security security = { .level = SECURITY_NAME };
    (void)state;
    begin(&pair, "mx.example.org");
    security.name[security.name_count++] = STR("mx.example.org");
    expect_fault(&pair, &security, TLS_FAULT_UNTRUSTED);
    pair.anchors = buf_str(&pair.chain);
    expect_proof(&pair, &security, true);
    security.name[0] = STR("other.example.org");
    expect_fault(&pair, &security, TLS_FAULT_NAME);
    security.name[security.name_count++] = STR("MX.example.ORG");
    expect_proof(&pair, &security, true);
    end(&pair);
}

static void a_pin_stands_above_all(void **state)
{
    struct pair pair;
    struct security_pin key, certificate;
    struct security security = { .level = SECURITY_MUST };
    (void)state;
    begin(&pair, "mx.example.org");
    expect_proof(&pair, &security, false);
    assert_true(tls_peer_pins(pair.at_client.tls, &key, &certificate));
    assert_false(tls_peer_pins(pair.at_server.tls, &key, &certificate));
    security.pin[security.pin_count++] = key;
    expect_proof(&pair, &security, true);
    security.pin[0] = certificate;
    expect_proof(&pair, &security, true);
    security.pin[0].is_of_certificate = false;
    expect_fault(&pair, &security, TLS_FAULT_PIN);
    security.level = SECURITY_NAME; /* it says nothing about who has signed it */
    security.pin[0] = key;
    expect_fault(&pair, &security, TLS_FAULT_UNTRUSTED);
    end(&pair);
}

static void tlsa_records_say_which_key_it_is(void **state)
{
    struct pair pair;
    struct security_pin key, certificate;
    struct security security = { .level = SECURITY_TLSA };
    (void)state;
    begin(&pair, "mx.elsewhere.example"); /* the name does not matter to DANE-EE */
    security.name[security.name_count++] = STR("mx.example.org");
    expect_proof(&pair, &security, false); /* there is none that could be used */
    assert_true(tls_peer_pins(pair.at_client.tls, &key, &certificate));
    const struct security_tlsa of_key = { 3, 1, 1, str_of(key.digest, SECURITY_DIGEST_SIZE) };
    const struct security_tlsa of_certificate = {
        3, 0, 1, str_of(certificate.digest, SECURITY_DIGEST_SIZE)
    };
    security.tlsa[0] = of_key;
    security.tlsa_count = 1;
    expect_proof(&pair, &security, true);
    security.tlsa[0] = of_certificate;
    expect_proof(&pair, &security, true);
    security.tlsa[0].selector = 1;
    expect_fault(&pair, &security, TLS_FAULT_TLSA);
    security.tlsa[1] = of_key;
    security.tlsa_count = 2; /* one is enough */
    expect_proof(&pair, &security, true);
    security.tlsa[0].usage = 1;
    security.tlsa[1].data = STR("short");
    expect_proof(&pair, &security, false); /* no usable one is left */
    end(&pair);
}

/* As the policy of a domain says that is being tested: it is told what is wrong, and gets its mail.
 */
static void who_is_watched_need_not_prove_anything(void **state)
{
    struct pair pair;
    struct security security = { .level = SECURITY_MAY, .is_watched = true };
    struct str why = STR_NONE;
    (void)state;
    begin(&pair, "mx.example.org");
    security.name[security.name_count++] = STR("mx.example.org");
    expect_proof(&pair, &security, false);
    assert_int_equal(tls_peer_doubt(pair.at_client.tls, &why), TLS_FAULT_UNTRUSTED);
    assert_true(why.len > 0);
    assert_int_equal(tls_peer_doubt(pair.at_server.tls, &why), TLS_FAULT_NONE);
    pair.anchors = buf_str(&pair.chain);
    expect_proof(&pair, &security, false);
    assert_int_equal(tls_peer_doubt(pair.at_client.tls, &why), TLS_FAULT_NONE);
    security.name[0] = STR("other.example.org");
    expect_proof(&pair, &security, false);
    assert_int_equal(tls_peer_doubt(pair.at_client.tls, &why), TLS_FAULT_NAME);
    security.pin_count = 1; /* it was agreed on, whatever is watched */
    expect_fault(&pair, &security, TLS_FAULT_PIN);
    end(&pair);
}

/* ---- certificates by name ---- */

static void expect_name(struct pair *pair, const char *asked, const struct buf *chain)
{
    struct security security = { .level = SECURITY_NAME };

    security.name[security.name_count++] = str_from(asked);
    security.name[security.name_count++] = STR("first.example.org");
    security.name[security.name_count++] = STR("x.second.example.net");
    pair->anchors = buf_str(chain);
    expect_fault(pair, &security, TLS_FAULT_NONE);
}

static void each_name_has_its_certificate(void **state)
{
    struct pair pair;
    struct buf chain = { 0 };
    struct buf key = { 0 };
    (void)state;
    begin(&pair, "first.example.org");
    assert_true(tls_make_certificate(STR("*.Second.example.net"), &chain, &key));
    const struct tls_certificate both[] = { { buf_str(&pair.chain), buf_str(&pair.key) },
                                            { buf_str(&chain), buf_str(&key) } };
    tls_server_free(pair.server);
    pair.server = server_for(both, 2);
    expect_name(&pair, "first.example.org", &pair.chain);
    expect_name(&pair, "x.second.EXAMPLE.net", &chain);
    expect_name(&pair, "nobody.example", &pair.chain);
    expect_name(&pair, "", &pair.chain);
    struct tls_server *old = pair.server; /* replaced while a connection is being made */
    pair.at_server.tls = (side_fini(&pair.at_server), tls_accept(old, false));
    tls_server_free(old);
    pair.server = server_for(both, 1);
    side_fini(&pair.at_client);
    pair.at_client.tls =
        tls_connect(pair.client, &(struct security){ .level = SECURITY_MUST }, STR_NONE);
    tls_feed(pair.at_client.tls, STR_NONE, &pair.at_client.out);
    settle(&pair, 100000);
    assert_true(is_open(&pair));
    buf_fini(&chain);
    buf_fini(&key);
    end(&pair);
}

/* As tls_make_certificate(), with an RSA key and whatever names. */
static void make_rsa(const char *names, struct buf *chain, struct buf *key)
{
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    X509 *made = X509_new();
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    BIO *bio[2] = { BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()) };
    struct buf *const out[2] = { chain, key };

    assert_int_equal(X509_set_version(made, X509_VERSION_3), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(made), -1000));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(made), 100000));
    assert_int_equal(X509_set_pubkey(made, rsa), 1);
    assert_int_equal(X509_add_ext(made, extension, -1), 1);
    assert_true(X509_sign(made, rsa, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio[0], made), 1);
    assert_int_equal(PEM_write_bio_PrivateKey(bio[1], rsa, NULL, NULL, 0, NULL, NULL), 1);
    for (int i = 0; i < 2; i++) {
        char *bytes;
        long len = BIO_get_mem_data(bio[i], &bytes);
        buf_add_bytes(out[i], bytes, (size_t)len);
        BIO_free(bio[i]);
    }
    X509_EXTENSION_free(extension);
    X509_free(made);
    EVP_PKEY_free(rsa);
}

static void expect_shown(struct pair *pair, const char *asked, const struct buf *chain)
{
    struct security security = { .level = SECURITY_MUST };
    struct tls_pair want = { 0 };
    struct security_pin key, certificate;
    uint8_t want_key[SECURITY_DIGEST_SIZE];
    uint8_t want_certificate[SECURITY_DIGEST_SIZE];

    security.name[security.name_count++] = str_from(asked);
    meet(pair, &security, 100000);
    assert_true(is_open(pair));
    assert_true(tls_pair_read_chain(&want, buf_str(chain)));
    assert_true(tls_digests(want.leaf, want_key, want_certificate));
    assert_true(tls_peer_pins(pair->at_client.tls, &key, &certificate));
    assert_memory_equal(certificate.digest, want_certificate, sizeof want_certificate);
    tls_pair_fini(&want);
}

/* One of RSA for both names, and one of ECDSA, which clients like better, for the first alone: who
 * asks for the second must not be shown what is not of that name. */
static void two_kinds_may_share_some_names(void **state)
{
    struct pair pair;
    struct buf chain = { 0 };
    struct buf key = { 0 };
    (void)state;
    begin(&pair, "first.example.org");
    make_rsa("DNS:first.example.org,DNS:second.example.org", &chain, &key);
    const struct tls_certificate ecdsa = { buf_str(&pair.chain), buf_str(&pair.key) };
    const struct tls_certificate rsa = { buf_str(&chain), buf_str(&key) };
    const struct tls_certificate orders[][2] = { { rsa, ecdsa }, { ecdsa, rsa } };
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        tls_server_free(pair.server);
        pair.server = server_for(orders[i], 2);
        expect_shown(&pair, "second.example.org", &chain);
        expect_shown(&pair, "first.example.org", &pair.chain);
    }
    buf_fini(&chain);
    buf_fini(&key);
    end(&pair);
}

static void what_is_no_certificate_is_not_shown(void **state)
{
    struct pair pair;
    struct buf chain = { 0 };
    struct buf key = { 0 };
    (void)state;
    begin(&pair, "mx.example.org");
    assert_true(tls_make_certificate(STR("mx.example.org"), &chain, &key));
    const struct tls_certificate bad[] = {
        { STR_NONE, STR_NONE },
        { buf_str(&chain), STR("no key") },
        { buf_str(&key), buf_str(&key) },
        { buf_str(&chain), buf_str(&pair.key) }, /* another one's */
        { str_first(buf_str(&chain), chain.len / 2), buf_str(&key) },
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_null(server_for(&bad[i], 1));
    buf_fini(&chain);
    buf_fini(&key);
    end(&pair);
}

/* ---- who the client is ---- */

struct shown { /* what a client of ours shows, which it does not do otherwise */
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

static void shown_init(struct shown *shown, const char *name, int chain_count)
{
    struct buf chain = { 0 };
    struct buf key = { 0 };

    assert_true(tls_make_certificate(str_from(name), &chain, &key));
    BIO *certificates = BIO_new_mem_buf(chain.ptr, (int)chain.len);
    BIO *keys = BIO_new_mem_buf(key.ptr, (int)key.len);
    shown->leaf = PEM_read_bio_X509(certificates, NULL, NULL, NULL);
    shown->key = PEM_read_bio_PrivateKey(keys, NULL, NULL, NULL);
    shown->chain = sk_X509_new_null();
    assert_true(shown->leaf != NULL && shown->key != NULL && shown->chain != NULL);
    for (int i = 1; i < chain_count; i++)
        assert_true(X509_up_ref(shown->leaf) && sk_X509_push(shown->chain, shown->leaf) > 0);
    BIO_free(certificates);
    BIO_free(keys);
    buf_fini(&chain);
    buf_fini(&key);
}

static void shown_fini(struct shown *shown)
{
    X509_free(shown->leaf);
    sk_X509_pop_free(shown->chain, X509_free);
    EVP_PKEY_free(shown->key);
}

/* `shown`, `session`: NULL for none. */
static void prepare_showing(struct pair *pair, int version, bool asks, const struct shown *shown,
                            SSL_SESSION *session)
{
    static const struct security security = { .level = SECURITY_MUST };

    side_fini(&pair->at_client);
    side_fini(&pair->at_server);
    pair->at_client.tls = tls_connect(pair->client, &security, pair->anchors);
    pair->at_server.tls = tls_accept(pair->server, asks);
    assert_int_equal(SSL_set_max_proto_version(pair->at_client.tls->ssl, version), 1);
    if (shown != NULL)
        assert_int_equal(SSL_use_cert_and_key(pair->at_client.tls->ssl, shown->leaf, shown->key,
                                              shown->chain, 1),
                         1);
    if (session != NULL)
        assert_int_equal(SSL_set_session(pair->at_client.tls->ssl, session), 1);
}

static void meet_showing(struct pair *pair, int version, bool asks, const struct shown *shown,
                         SSL_SESSION *session)
{
    prepare_showing(pair, version, asks, shown, session);
    tls_feed(pair->at_client.tls, STR_NONE, &pair->at_client.out);
    settle(pair, 100000);
}

static bool has_shown(const struct pair *pair, const struct shown *shown)
{
    struct security_pin key, certificate;
    uint8_t want[2][SECURITY_DIGEST_SIZE];

    if (!tls_peer_pins(pair->at_server.tls, &key, &certificate))
        return false;
    assert_true(tls_digests(shown->leaf, want[0], want[1]));
    assert_false(key.is_of_certificate);
    assert_true(certificate.is_of_certificate);
    assert_memory_equal(key.digest, want[0], SECURITY_DIGEST_SIZE);
    assert_memory_equal(certificate.digest, want[1], SECURITY_DIGEST_SIZE);
    return true;
}

static void a_client_shows_a_certificate_if_he_is_asked_and_has_one(void **state)
{
    struct pair pair;
    struct shown shown;
    (void)state;
    begin(&pair, "mx.example.org");
    shown_init(&shown, "whoever.example", 3);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (int asks = 0; asks < 2; asks++) {
            meet_showing(&pair, version, asks, NULL, NULL);
            assert_true(is_open(&pair));
            assert_false(has_shown(&pair, &shown));
            meet_showing(&pair, version, asks, &shown, NULL);
            assert_true(is_open(&pair));
            assert_int_equal(has_shown(&pair, &shown), asks);
        }
    }
    shown_fini(&shown);
    end(&pair);
}

/* The certificate is in the ticket; and one that was got without being asked is of no use where a
 * certificate is asked for. */
static void a_session_that_is_resumed_has_its_certificate(void **state)
{
    struct pair pair;
    struct shown shown;
    (void)state;
    begin(&pair, "mx.example.org");
    shown_init(&shown, "whoever.example", 1);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (int i = 0; i < 8; i++) {
            bool asked = (i & 1) != 0, asks = (i & 2) != 0, has_one = (i & 4) != 0;
            meet_showing(&pair, version, asked, has_one ? &shown : NULL, NULL);
            SSL_SESSION *session = SSL_get1_session(pair.at_client.tls->ssl);
            assert_true(is_open(&pair) && session != NULL);
            tls_end(pair.at_client.tls, &pair.at_client.out); /* else it is not good any more */
            meet_showing(&pair, version, asks, has_one ? &shown : NULL, session);
            assert_true(is_open(&pair));
            assert_int_equal(tls_facts(pair.at_server.tls).is_resumed, asked == asks);
            assert_int_equal(has_shown(&pair, &shown), asks && has_one);
            SSL_SESSION_free(session);
        }
    }
    shown_fini(&shown);
    end(&pair);
}

static void a_client_shows_no_more_than_fits(void **state)
{
    static const struct {
        int count;
        bool is_fine;
    } chains[] = { { 10, true }, { 11, false }, { 100, false } };
    struct pair pair;
    (void)state;
    begin(&pair, "mx.example.org");
    for (size_t i = 0; i < COUNT_OF(chains); i++) {
        struct shown shown;
        shown_init(&shown, "whoever.example", chains[i].count);
        meet_showing(&pair, TLS1_3_VERSION, true, &shown, NULL);
        assert_int_equal(tls_state(pair.at_server.tls), chains[i].is_fine ? TLS_OPEN : TLS_FAILED);
        assert_int_equal(has_shown(&pair, &shown), chains[i].is_fine);
        shown_fini(&shown);
    }
    end(&pair);
}

/* Who has another one's certificate and not its key is nobody. */
static void a_certificate_without_its_key_shows_nothing(void **state)
{
    struct pair pair;
    struct shown shown;
    struct shown other;
    (void)state;
    begin(&pair, "mx.example.org");
    shown_init(&shown, "whoever.example", 1);
    shown_init(&other, "whoever.example", 1);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_true(X509_set_pubkey(shown.leaf, shown.key) &&
                    i2d_re_X509_tbs(shown.leaf, NULL) > 0);
        prepare_showing(&pair, version, true, &shown, NULL);
        assert_int_equal(X509_set_pubkey(shown.leaf, other.key), 1); /* it is only lent */
        assert_true(i2d_re_X509_tbs(shown.leaf, NULL) > 0);
        tls_feed(pair.at_client.tls, STR_NONE, &pair.at_client.out);
        settle(&pair, 100000);
        assert_int_equal(tls_state(pair.at_server.tls), TLS_FAILED);
        assert_false(has_shown(&pair, &shown));
    }
    shown_fini(&shown);
    shown_fini(&other);
    end(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_understand_each_other_however_it_is_cut),
        cmocka_unit_test(who_speaks_no_tls_is_told_so),
        cmocka_unit_test(a_name_needs_somebody_who_is_trusted),
        cmocka_unit_test(a_pin_stands_above_all),
        cmocka_unit_test(who_is_watched_need_not_prove_anything),
        cmocka_unit_test(tlsa_records_say_which_key_it_is),
        cmocka_unit_test(each_name_has_its_certificate),
        cmocka_unit_test(two_kinds_may_share_some_names),
        cmocka_unit_test(what_is_no_certificate_is_not_shown),
        cmocka_unit_test(a_client_shows_a_certificate_if_he_is_asked_and_has_one),
        cmocka_unit_test(a_session_that_is_resumed_has_its_certificate),
        cmocka_unit_test(a_client_shows_no_more_than_fits),
        cmocka_unit_test(a_certificate_without_its_key_shows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
