// The page's own script: live updates, forms that talk JSON to the API, copy buttons and charts. No framework, no eval.
"use strict";
(() => {
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function toast(text, isError) {
    const box = document.getElementById("toast");
    box.textContent = text;
    box.className = isError ? "error" : "";
    box.hidden = false;
    clearTimeout(toast.timer);
    toast.timer = setTimeout(() => { box.hidden = true; }, isError ? 12000 : 7000);
  }

  const changed = () => document.body.dispatchEvent(new CustomEvent("fm:changed"));

  // -- live: one stream, many events at once are one refresh
  function listen() {
    const sign = document.getElementById("live");
    const source = new EventSource("/api/v1/stream");
    let waiting = null;
    const soon = () => { waiting = waiting || setTimeout(() => { waiting = null; if (!isBusy()) changed(); }, 400); };
    source.onopen = () => { sign.textContent = "live"; sign.className = "live on"; };
    source.onerror = () => {
      sign.textContent = source.readyState === EventSource.CLOSED ? "not live" : "reconnecting";
      sign.className = "live off";
    };
    source.onmessage = soon;
    for (const kind of ["triggered", "updated", "resolved", "acked", "commented", "feedback", "feedback_removed", "silenced", "unsilenced", "marked", "renamed", "merged"]) source.addEventListener(kind, soon);
    addEventListener("pagehide", () => source.close());
  }
  // what a person types is not swapped away under the hands
  const isBusy = () => {
    const at = document.activeElement;
    return at && /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) && at.closest("form[data-api]") !== null;
  };

  // a refresh leaves open what was open; forms in <details hx-preserve> also keep what is typed
  let opened = [];
  document.addEventListener("htmx:beforeSwap", () => { opened = $$("details[id][open]").map((each) => each.id); });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  });

  // -- forms: fields become JSON; a dot in a name nests; data-number, data-optional
  function fieldsOf(form) {
    const body = {};
    for (const field of form.elements) {
      if (!field.name) continue;
      let value = field.type === "checkbox" ? field.checked : field.value;
      if (field.dataset.number !== undefined) value = Number(value);
      if (field.dataset.optional !== undefined && value === "") continue;
      const parts = field.name.split(".");
      const last = parts.pop();
      let target = body;
      for (const part of parts) target = target[part] = target[part] || {};
      target[last] = value;
    }
    return body;
  }

  async function send(form) {
    const [method, url] = form.dataset.api.split(" ");
    const buttons = $$("button", form);
    buttons.forEach((button) => { button.disabled = true; });
    try {
      const answer = await fetch(url, {
        method,
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: method === "DELETE" ? undefined : JSON.stringify(fieldsOf(form)),
      });
      if (answer.status === 401) { location.assign("/sign-in?next=" + encodeURIComponent(location.pathname + location.search)); return; }
      const told = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(told.detail || `the server answered ${answer.status}`);
      const effect = typeof told.effect === "string" ? told.effect : told.effect && told.effect.text;
      toast(effect || told.text || "Done.");
      form.reset();
      form.closest("details[hx-preserve]")?.removeAttribute("open");
      document.activeElement?.blur();
      changed();
    } catch (error) {
      toast(String(error.message || error), true);
    } finally {
      buttons.forEach((button) => { button.disabled = false; });
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.api) return;
    event.preventDefault();
    send(form);
  });

  async function copy(text, button) {
    try {
      await navigator.clipboard.writeText(text);
      const before = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = before; }, 1500);
    } catch {
      toast("The browser does not let the page copy: select the text and copy it.", true);
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copyLink !== undefined) copy(location.href, button);
    if (button.dataset.copy !== undefined) copy(button.parentElement.querySelector("pre").textContent, button);
  });

  // -- charts
  function draw(box) {
    const told = JSON.parse(box.dataset.series);
    const { series } = told;
    const start = Date.parse(series.start) / 1000;
    const xs = series.values.map((_, i) => start + i * series.step_s);
    const [ink, soft, line, hot, band] = ["--ink", "--soft", "--line", `--${told.severity}`, "--band"].map(css);
    const hasBand = series.high.length === xs.length && series.high.some((value) => value !== null);
    const data = [xs, series.values];
    const rows = [{}, { label: series.unit, stroke: hot, width: 1.5, fill: undefined, points: { show: xs.length < 90, size: 4 }, spanGaps: false }];
    const bands = [];
    if (hasBand) {
      data.push(series.high, series.low);
      rows.push({ label: "usual, most", stroke: soft, width: 0.5, points: { show: false } }, { label: "usual, least", stroke: soft, width: 0.5, points: { show: false } });
      bands.push({ series: [2, 3], fill: band });
    }
    const shade = (plot) => {
      const { ctx } = plot;
      const x0 = plot.valToPos(told.from_us / 1e6, "x", true), x1 = plot.valToPos(told.to_us / 1e6, "x", true);
      const { top, height, left, width } = plot.bbox;
      ctx.save();
      ctx.fillStyle = css("--during");
      ctx.fillRect(Math.max(x0, left), top, Math.max(Math.min(x1, left + width) - Math.max(x0, left), 2), height);
      ctx.strokeStyle = css("--accent");
      ctx.fillStyle = css("--accent");
      ctx.font = "11px system-ui";
      for (const marker of told.markers) {
        const x = plot.valToPos(marker.at_us / 1e6, "x", true);
        if (x < left || x > left + width) continue;
        ctx.beginPath(); ctx.moveTo(x, top); ctx.lineTo(x, top + height); ctx.stroke();
        ctx.fillText(marker.title.slice(0, 30), x + 4, top + 11);
      }
      ctx.restore();
    };
    box.textContent = "";
    const plot = new uPlot({
      width: box.clientWidth, height: 220, tzDate: (s) => uPlot.tzDate(new Date(s * 1e3), "Etc/UTC"),
      series: rows, bands, legend: { show: true, live: true },
      axes: [{ stroke: soft, values: [[86400, "{YYYY}-{MM}-{DD}", null, null, null, null, null, null, 1], [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, null, null, null, null, 1], [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]], grid: { stroke: line }, ticks: { stroke: line } }, { stroke: soft, grid: { stroke: line }, ticks: { stroke: line }, size: 56 }],
      scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.08, 1)] } },
      hooks: { drawClear: [shade] },
    }, data, box);
    const resize = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: 220 }));
    resize.observe(box);
  }

  function prepare(root = document) {
    for (const box of $$(".chart[data-series]", root)) if (!box.firstChild) draw(box);
    for (const box of $$(".copy", root)) {
      if (box.querySelector("button")) continue;
      const button = document.createElement("button");
      button.type = "button"; button.dataset.copy = ""; button.textContent = "Copy";
      box.append(button);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    prepare();
    if (document.body.dataset.live !== undefined) listen();
    new MutationObserver(() => prepare()).observe(document.getElementById("main"), { childList: true, subtree: true });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const box of $$(".chart[data-series]")) { box.textContent = ""; draw(box); }
    });
  });
})();
