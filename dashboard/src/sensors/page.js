// Asks for the figures once a second and shows what changed between two answers.
const PAUSE_MS = 1000;
const byId = (id) => document.getElementById(id);
let token = "";
let before = null;

byId("door").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value;
  byId("token").value = "";
});

// Text only, never markup: names come from whoever sends.
function fill(table, head, rows) {
  const row = (cells, tag) => {
    const line = document.createElement("tr");
    for (const cell of cells) {
      const element = document.createElement(tag);
      if (cell instanceof Node) element.append(cell); else element.textContent = cell;
      line.append(element);
    }
    return line;
  };
  byId(table).replaceChildren(row(head, "th"), ...rows.map((cells) => row(cells, "td")));
}

const count = (number) => Number(number).toLocaleString("en");
const sum = (causes) => Object.values(causes).reduce((all, one) => all + one, 0);
const dropped = (counters) => sum(counters.rejected) + sum(counters.refused);

function rates(key, now, earlier, seconds) {
  return now.map((one) => {
    const old = earlier?.find((other) => other[key] === one[key])?.counters;
    const per = (read) => (old ? count(Math.max(0, Math.round((read(one.counters) - read(old)) / seconds))) : "–");
    return { name: String(one[key]), counters: one.counters, per };
  });
}

function meterOf(value, max, title) {
  const meter = document.createElement("meter");
  meter.max = Math.max(1, max);
  meter.value = value;
  meter.title = title;
  return meter;
}

function show(stats) {
  const seconds = before ? Math.max(0.001, (stats.at_millis - before.at_millis) / 1000) : 1;
  const receiver = stats.receiver;
  const reason = receiver.reason ? `: ${receiver.reason}` : "";
  byId("receiver").textContent = `${receiver.kind}${reason}; ${count(stats.sources)} sources`;
  const ports = rates("port", stats.ports, before?.ports, seconds);
  fill("ports", ["port", "received/s", "stored/s", "records/s", "dropped/s", "stored", "dropped", "waiting"],
    ports.map(({ name, counters, per }) => [
      name, per((c) => c.received), per((c) => c.stored), per((c) => c.stored_records), per(dropped),
      count(counters.stored), count(dropped(counters)), count(counters.waiting),
    ]));
  const pollers = rates("poller", stats.pollers, before?.pollers, seconds);
  fill("pollers", ["poller", "received/s", "accepted/s", "rejected/s", "received", "rejected"],
    pollers.map(({ name, counters, per }) => [
      name, per((c) => c.received), per((c) => c.accepted), per((c) => sum(c.rejected)),
      count(counters.received), count(sum(counters.rejected)),
    ]));
  const queues = receiver.queues ?? [];
  byId("past-kernel").hidden = queues.length === 0;
  fill("queues", ["queue", "ring", "ring full", "dropped", "fill empty"], queues.map((queue, number) => [
    String(number), meterOf(queue.waiting, queue.room, `${count(queue.waiting)} of ${count(queue.room)} frames`),
    count(queue.losses.ring_full), count(queue.losses.dropped), count(queue.losses.fill_empty),
  ]));
  const causes = { dropped_by_kernel: receiver.dropped_by_kernel ?? 0, ...stats.total.rejected, ...stats.total.refused };
  fill("drops", ["cause", "datagrams"], Object.entries(causes).filter(([, n]) => n > 0).map(([cause, n]) => [cause, count(n)]));
  before = stats;
}

async function look() {
  try {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await fetch("/v1/sensor/stats", { headers, cache: "no-store" });
    const body = await answer.json();
    byId("door").hidden = answer.status !== 401 && answer.status !== 403;
    byId("trouble").textContent = answer.ok ? "" : body.error.message;
    if (answer.ok) show(body);
  } catch (error) {
    byId("trouble").textContent = `no answer: ${error.message}`;
  }
  setTimeout(look, PAUSE_MS);
}
look();
