/* SPDX-License-Identifier: ISC */
/* tls_counts.c: which sessions are counted for reports about TLS (RFC 8460 4), and as what.
 *
 * Those of domains whose owner is asked through the DNS: where a domain's primaries are given here,
 * nobody looks at its policy. A session counts for the domain that it was opened for. Not counted
 * are sessions that were not to have TLS, and those that carry nothing but reports (3): each would
 * be the reason of the next.
 */
#include "roles/keeper/session.h"

static bool is_counted(const struct keeper *keeper, struct str domain)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);

    return keeper->process->config->report_tls && (record == NULL || record->primary_count == 0);
}

/* What kept its policy, or a newer one, from being had (RFC 8460 4.3.2.2). */
static void add_failure(struct keeper *keeper, struct str domain, struct tls_row row,
                        enum policy_failure failure)
{
    switch (failure) {
    case POLICY_FINE:
    case POLICY_DNS_FAILED:
    case POLICY_NO_RECORD:
        return;
    case POLICY_NOT_FETCHED:
        row.result = TLS_RESULT_STS_FETCH;
        break;
    case POLICY_UNTRUSTED:
        row.result = TLS_RESULT_STS_WEBPKI;
        break;
    case POLICY_INVALID:
        row.result = TLS_RESULT_STS_INVALID;
        break;
    }
    row.reason = STR_NONE;
    keeper_tls_reports_add(keeper, domain, &row);
}

static void count(struct keeper *keeper, struct str domain, const struct security *security,
                  struct tls_row row)
{
    struct policy_status status = { .failure = POLICY_FINE };
    struct buf room = { 0 };

    (void)keeper_policy_status(keeper, domain, &status);
    tls_row_judge(&row, security, status.is_in_force ? &status.policy : NULL, &room);
    keeper_tls_reports_add(keeper, domain, &row);
    add_failure(keeper, domain, row, status.failure);
    buf_fini(&room);
}

bool keeper_tls_counts_session(struct keeper *keeper, const struct keeper_peer *peer,
                               struct cursor payload)
{
    struct message_session_tls message;

    if (!message_get_session_tls(payload, &message) || message.result >= TLS_RESULTS ||
        tls_result_is_of_policy((enum tls_result)message.result))
        return false;
    struct cursor cursor = cursor_over(message.from);
    struct tls_row row = { .result = (enum tls_result)message.result,
                           .from = endpoint_decode(&cursor),
                           .reason = message.why };
    struct keeper_session *session = keeper_session_find(keeper, message.session);
    if (!cursor_done(&cursor))
        return false;
    if (session == NULL || session->source != peer->source || session->tls_is_counted ||
        !is_counted(keeper, buf_str(&session->domain)))
        return true;
    session->tls_is_counted = true;
    if (keeper_own_is_lax(keeper, buf_str(&session->domain))) {
        if (row.result != TLS_RESULT_SUCCESS && row.result != TLS_RESULT_NO_STARTTLS)
            keeper_own_tls_failed(keeper, buf_str(&session->domain));
        return true;
    }
    struct cursor security_cursor = cursor_over(buf_str(&session->security));
    struct security security = { .level = SECURITY_MAY };
    if (!security_decode(&security_cursor, &security) || security.level == SECURITY_CLEAR)
        return true;
    row.host = buf_str(&session->host);
    row.to = session->endpoint;
    count(keeper, buf_str(&session->domain), &security, row);
    return true;
}

/* Mail waits, and there was nobody with whom a session could have been opened. */
void keeper_tls_counts_problem(struct keeper *keeper, struct str domain, enum route_problem problem)
{
    const struct security none = { .level = SECURITY_MAY };
    struct tls_row row = { .result = TLS_RESULT_VALIDATION,
                           .reason = STR("the policy names none of its hosts") };
    struct store_totals totals;

    if ((problem != ROUTE_UNNAMED && problem != ROUTE_UNTRUSTED) || !is_counted(keeper, domain))
        return;
    store_totals(keeper->store, domain, &totals);
    if (totals.held_count == 0)
        return;
    if (problem == ROUTE_UNNAMED) {
        count(keeper, domain, &none, row);
        return;
    }
    row = (struct tls_row){ .policy = TLS_POLICY_TLSA, .result = TLS_RESULT_DNSSEC_INVALID };
    keeper_tls_reports_add(keeper, domain, &row);
}
