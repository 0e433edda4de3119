# SPDX-License-Identifier: ISC
"""report.py: tables and pictures from the runs.

A run is a line of results.jsonl. Runs of one cell (the same scenario and plan) and one server are
summed up by their median, with the least and the most beside it; ratios are ratios of medians.
"""
import json
import statistics

COLUMNS = {  # scenario: what stands beside the rate: (heading, figure, format)
    "accept": [("CPU ms/message", "cpu_ms", "{:.3f}"), ("written/message", "disk", "{:.0f}"),
               ("answer p50 ms", "answer_p50_ms", "{:.1f}"), ("p99", "answer_p99_ms", "{:.1f}"),
               ("max", "answer_max_ms", "{:.0f}")],
    "secure": [("CPU ms/message", "cpu_ms", "{:.3f}"), ("resumed", "resumed", "{:.0%}"),
               ("answer p50 ms", "answer_p50_ms", "{:.1f}"), ("p99", "answer_p99_ms", "{:.1f}")],
    "pass": [("accepted/s", "accepted", "{:.0f}"), ("CPU ms/message", "cpu_ms", "{:.3f}")],
    "drain": [("first after s", "first_s", "{:.1f}"), ("all after s", "last_s", "{:.1f}"),
              ("CPU ms/message", "cpu_ms", "{:.3f}"), ("sessions", "at_once", "{:.0f}")],
    "limited": [("first after s", "first_s", "{:.1f}"), ("deferred", "deferred", "{:.3%}"),
                ("turned away", "turned_away", "{:.0f}")],
    "senders": [("noise", "noise", "{:.2f}"), ("CPU ms/message", "cpu_ms", "{:.3f}")],
    "recipients": [("noise", "noise", "{:.2f}"), ("CPU ms/message", "cpu_ms", "{:.3f}"),
                   ("refused", "refused", "{:.0f}")],
    "distant": [("first after s", "first_s", "{:.1f}"), ("seconds", "seconds", "{:.1f}")],
    "held": [("200 clients/s", "crowd_rate", "{:.0f}"), ("answer p50 ms", "answer_p50_ms", "{:.1f}"),
             ("p99", "answer_p99_ms", "{:.1f}"), ("max", "answer_max_ms", "{:.0f}"),
             ("memory MB", "pss", "{:.0f}"), ("start s", "start_s", "{:.2f}")],
    "outage": [("first after s", "first_s", "{:.1f}"), ("all after s", "last_s", "{:.1f}")],
    "written": [("per octet accepted", "accepted", "{:.3f}"), ("and settled", "both", "{:.3f}"),
                ("zero-filling", "filling", "{:.3f}")],
}
CPU_AT_MOST = {"senders": {"unchecked": 2, "filtered": 0.5}}  # holdfast's, as a multiple of theirs
PROMISED = ("missing", "damaged", "doubled")


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def cells(runs):
    """{(scenario, cell): {server: its runs}} in the order in which they were made."""
    found = {}
    for run in runs:
        found.setdefault((run["scenario"], run["cell"]), {}).setdefault(run["server"], []).append(run)
    return found


def median(runs, figure):
    values = [run[figure] for run in runs if run.get(figure) is not None]
    return statistics.median(values) if values else None


def shown(runs, figure, how):
    value = median(runs, figure)
    if value is None:
        return ""
    return how.format(value / (1 << 20) if figure == "pss" else value)


def cpu_ratio(by_server, server, at_most):
    """Holdfast's processor time as a multiple of this one's, beside what it may be."""
    ours, theirs = median(by_server.get("holdfast", []), "cpu_ms"), median(by_server[server], "cpu_ms")
    if server == "holdfast" or not ours or not theirs:
        return ""
    return f"{ours / theirs:.3f}" + (f" (at most {at_most[server]})" if server in at_most else "")


def spread(runs, figure="rate"):
    values = sorted(run[figure] for run in runs)
    return f"{statistics.median(values):,.0f} ({values[0]:,.0f}–{values[-1]:,.0f})"


def table(runs):
    """Markdown, a table for each scenario."""
    lines = []
    scenario = None
    for (name, cell), by_server in cells(runs).items():
        columns = COLUMNS[name]
        if name != scenario:
            scenario = name
            heads = ["", "server", "runs", "messages/s, median (least–most)", "×",
                     *(column[0] for column in columns),
                     *(["holdfast's CPU ×"] if name in CPU_AT_MOST else [])]
            lines += ["", f"### {name}", "", "| " + " | ".join(heads) + " |",
                      "|" + "---|" * len(heads)]
        base = "holdfast" if "holdfast" in by_server else next(iter(by_server))
        for server, these in by_server.items():
            failed = sum(any(run.get(word) for word in (*PROMISED, "error")) for run in these)
            rate, ours = median(these, "rate"), median(by_server[base], "rate")
            row = [cell, server, f"{len(these)}" + (f", {failed} failed" if failed else ""),
                   spread(these) if rate is not None else "",
                   f"{ours / rate:.2f}" if rate and ours and server != base else "",
                   *(shown(these, figure, how) for _, figure, how in columns)]
            if name in CPU_AT_MOST:
                row.append(cpu_ratio(by_server, server, CPU_AT_MOST[name]))
            lines.append("| " + " | ".join(row) + " |")
            cell = ""
    return "\n".join(lines[1:]) + "\n"


def plots(runs, folder):
    """An SVG for each scenario: one bar a server in each cell, on a logarithmic scale."""
    import pygal  # only who draws needs it

    style = pygal.style.Style(background="white", plot_background="white",
                              colors=("#1b6ca8", "#999999", "#d1495b", "#edae49", "#66a182"),
                              font_family="sans-serif")
    for scenario in dict.fromkeys(run["scenario"] for run in runs):
        of_this = {cell: by_server for (name, cell), by_server in cells(runs).items()
                   if name == scenario}
        names = list(dict.fromkeys(server for by_server in of_this.values() for server in by_server))
        figure = {"outage": "first_s", "written": "both"}.get(scenario, "rate")
        chart = pygal.HorizontalBar(style=style, logarithmic=True, js=[], height=120 + 40 * len(of_this) *
                                    max(len(names), 1), width=900, print_values=True,
                                    value_formatter=lambda x: f"{x:,.3g}" if x < 100 else f"{x:,.0f}",
                                    title={"outage": "outage: seconds until the first message",
                                           "written": "octets written per octet of mail"}.get(
                                               scenario, f"{scenario}: messages a second"))
        chart.x_labels = list(of_this)
        for name in names:
            chart.add(name, [median(by_server.get(name, []), figure) for by_server in of_this.values()])
        chart.render_to_file(str(folder / f"{scenario}.svg"))
