// The overview: charts that move, and parts of the page that come anew from the server.
"use strict";

(() => {
  const charts = document.getElementById("charts");
  const span = charts.dataset.span;
  const narrow = 150;
  // Columns of the history, and the style of each line.
  const lines = {
    rate: [["delivered", "delivered"], ["rejected", "rejected", "bad"]],
    depth: [["depth", "waiting"], ["in_flight", "in flight", "series-2"]],
    lag: [["lag_median", "median"], ["lag_99th", "99th percentile", "series-2"]],
    invalid: [["invalid", "bad lines", "bad"]],
  };
  const drawn = new Map();
  let history = null;
  let newest = null;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

  function options(place, names) {
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    return {
      width: Math.max(place.clientWidth, narrow),
      height: 180,
      cursor: { y: false },
      legend: { live: true },
      scales: { y: { range: (plot, low, high) => [0, Math.max(high || 0, 1) * 1.05] } },
      axes: [
        { ...axis, values: (plot, times) => times.map((time) => clock.format(new Date(time * 1000))) },
        { ...axis, size: 46, values: (plot, values) => values.map((value) => short.format(value)) },
      ],
      series: [
        { value: (plot, time) => (time === null ? "–" : clock.format(new Date(time * 1000))) },
        ...names.map(([, label, style]) => ({
          label,
          stroke: colour(style || "series-1"),
          width: 1.5,
          points: { show: false },
          value: (plot, value) => (value === null || value === undefined ? "–" : short.format(value)),
        })),
      ],
    };
  }

  // For those who cannot see the picture.
  function describe(place, names) {
    const said = names.map(([column, label]) => {
      const values = history[column].filter((value) => value !== null);
      const last = values.length ? short.format(values[values.length - 1]) : "nothing";
      return `${label}: last ${last}, most ${values.length ? short.format(Math.max(...values)) : "nothing"}`;
    });
    place.setAttribute("aria-label", `Chart of the last ${span}. ${said.join("; ")}`);
  }

  function draw(isNew) {
    for (const [id, names] of Object.entries(lines)) {
      const place = document.getElementById(`chart-${id}`);
      const columns = [history.at, ...names.map(([column]) => history[column])];
      if (isNew && drawn.has(id)) {
        drawn.get(id).destroy();
        drawn.delete(id);
      }
      if (drawn.has(id)) {
        drawn.get(id).setData(columns);
      } else {
        drawn.set(id, new uPlot(options(place, names), columns, place));
      }
      describe(place, names);
    }
  }

  async function load() {
    const answer = await fetch(`/history?span=${span}`, { headers: { accept: "application/json" } });
    if (answer.status === 401) {
      location.reload();
    }
    if (answer.ok) {
      history = await answer.json();
      draw(false);
    }
  }

  // A part that somebody reads with the keyboard, or has marked, is left alone while he does.
  function isInUse(place) {
    const selection = document.getSelection();
    const hasMarked = selection && !selection.isCollapsed && place.contains(selection.anchorNode);
    return hasMarked || place.contains(document.activeElement);
  }

  function show(parts) {
    for (const [id, markup] of Object.entries(parts)) {
      const place = document.getElementById(id);
      if (place.dataset.shown !== markup && !isInUse(place)) {
        place.innerHTML = markup;
        place.dataset.shown = markup;
      }
    }
  }

  function listen() {
    const events = new EventSource("/live");
    events.onmessage = (event) => {
      const state = JSON.parse(event.data);
      show(state.parts);
      if (state.newest !== newest) {
        newest = state.newest;
        load().catch(() => {});
      }
    };
    events.onerror = () => {
      const notice = document.createElement("p");
      notice.className = "notice warn";
      notice.textContent = "No connection, trying again.";
      const place = document.getElementById("health");
      place.replaceChildren(notice);
      delete place.dataset.shown;
      // A refusal ends it for good: the sign-in may be over.
      if (events.readyState === EventSource.CLOSED) {
        setTimeout(() => load().catch(() => {}).finally(listen), 5000);
      }
    };
  }

  new ResizeObserver(() => {
    for (const [id, plot] of drawn) {
      const width = Math.max(document.getElementById(`chart-${id}`).clientWidth, narrow);
      if (width !== plot.width) {
        plot.setSize({ width, height: plot.height });
      }
    }
  }).observe(charts);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => history && draw(true));
  load().catch(() => {});
  listen();
})();
