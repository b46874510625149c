"use strict";
// Takes a text or a picture, asks the endpoint, and tells what came of it.

const endpoint = JSON.parse(document.getElementById("endpoint").textContent);
const the = (id) => document.getElementById(id);
const takesPicture = endpoint.input === "image";
const SOON_MS = 150; // an answer that comes sooner needs no word before it
let picture = null; // {base64, url}: what is asked next
let asked = null; // what stops the request that is under way

function fact(name, value, wide = false) {
  const shown = element("dd", {}, value);
  return element("div", { className: wide ? "wide" : "" }, element("dt", { textContent: name }), shown);
}

function use(base64, name, type) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  if (picture) URL.revokeObjectURL(picture.url);
  picture = { base64, url: URL.createObjectURL(new Blob([bytes], { type })) };
  the("chosen").textContent = name;
}

function read(file) {
  const reader = new FileReader();
  reader.addEventListener("load", () => {
    use(reader.result.slice(reader.result.indexOf(",") + 1), file.name || "pasted picture", file.type);
    predict();
  });
  reader.addEventListener("error", () => refuse(`${file.name} cannot be read: ${reader.error.message}`));
  reader.readAsDataURL(file);
}

function instance() {
  if (takesPicture) return picture && { [endpoint.field]: picture.base64 };
  return endpoint.input === "json" ? JSON.parse(the("text").value) : { [endpoint.field]: the("text").value };
}

function refuse(message, trace) {
  the("answer").classList.remove("empty");
  the("shown").replaceChildren();
  the("told").textContent = "";
  the("refusal").textContent = message;
  the("facts").replaceChildren(...(trace ? [fact("trace id", element("code", { textContent: trace }), true)] : []));
}

function wait() {
  the("answer").classList.remove("empty");
  the("shown").replaceChildren();
  the("facts").replaceChildren();
  the("refusal").textContent = "";
  the("told").textContent = "asking…"; // a status, which screen readers say
}

async function tell(answer, latency, url) {
  const { predictions: [prediction], metadata = {} } = answer;
  const shown = element("div");
  const labels = endpoint.labels[metadata.model_version];
  const told = await show(prediction, shown, { labels, colours: endpoint.colours, picture: url });
  the("answer").classList.remove("empty");
  the("refusal").textContent = "";
  the("told").textContent = told;
  the("shown").replaceChildren(shown);
  const code = (text) => element("code", { textContent: text });
  the("facts").replaceChildren(
    fact("version", code(metadata.model_version ?? "unknown")),
    ...(metadata.engine ? [fact("engine", code(metadata.engine))] : []),
    fact("answered in", `${latency.toFixed(latency < 10 ? 1 : 0)} ms`),
    fact("trace id", code(metadata.trace_id ?? "none"), true),
  );
}

async function predict() {
  let sent;
  try {
    sent = instance();
  } catch (error) {
    return refuse(`this is no JSON: ${error.message}`);
  }
  if (!sent) return refuse("choose a picture first: PNG or JPEG");
  asked?.abort();
  const mine = (asked = new AbortController());
  const url = picture?.url;
  the("go").ariaDisabled = "true";
  const waiting = setTimeout(wait, SOON_MS);
  mine.signal.addEventListener("abort", () => clearTimeout(waiting));
  try {
    const version = the("version").value;
    const began = performance.now();
    const response = await fetch(version ? `/versions/${encodeURIComponent(version)}/predict` : "/predict", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ instances: [sent] }),
      signal: mine.signal,
    });
    const answer = await response.json();
    const latency = performance.now() - began;
    clearTimeout(waiting);
    if (response.ok) await tell(answer, latency, url);
    else refuse(`${response.status}: ${answer.error.message}`, answer.error.trace_id);
  } catch (error) {
    if (mine.signal.aborted) return;
    clearTimeout(waiting);
    refuse(`the endpoint gave no answer (${error.message}); see: python run.py status`);
  }
  the("go").ariaDisabled = "false";
  the("answer").scrollIntoView({ block: "nearest" });
  refresh();
}

async function refresh() {
  let status;
  try {
    status = await (await fetch("/status")).json();
  } catch {
    return;
  }
  const shares = Object.keys(status.versions).map((version) => [version, status.traffic[version] ?? 0]);
  shares.sort((one, other) => other[1] - one[1]);
  the("split").replaceChildren(...shares.filter(([, share]) => share).map(([, share]) => {
    const part = element("i");
    part.style.flexGrow = share;
    return part;
  }));
  the("versions").replaceChildren(...shares.map(([version, share]) => {
    const state = status.versions[version].state;
    const told = state === "ready" ? "" : state;
    return element("li", {}, element("b", { textContent: `${share} %` }), element("code", { textContent: version }), told);
  }));
  the("choice").hidden = shares.length < 2;
  const chosen = the("version").value;
  const options = ["", ...shares.map(([version]) => version)];
  the("version").replaceChildren(...options.map((version) => element("option", { value: version, textContent: version || "traffic" })));
  the("version").value = options.includes(chosen) ? chosen : "";
}

function offerExample(example, number) {
  const value = example[endpoint.field];
  const button = element("button", { type: "button" });
  if (takesPicture) {
    const url = `data:image/jpeg;base64,${value}`;
    button.className = "thumbnail";
    button.append(element("img", { src: url, alt: `Example ${number + 1}` }));
  } else {
    button.append(element("span", { textContent: endpoint.input === "json" ? JSON.stringify(example) : value }));
  }
  button.addEventListener("click", () => {
    if (takesPicture) use(value, `example ${number + 1}`, "image/jpeg");
    else the("text").value = endpoint.input === "json" ? JSON.stringify(example, null, 2) : value;
    predict();
  });
  return button;
}

function watchDrops() {
  const drop = the("drop");
  const over = (event, is) => { event.preventDefault(); drop.classList.toggle("over", is); };
  drop.addEventListener("dragover", (event) => over(event, true));
  drop.addEventListener("dragleave", (event) => over(event, false));
  drop.addEventListener("drop", (event) => { over(event, false); if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]); });
  the("file").addEventListener("change", () => { if (the("file").files[0]) read(the("file").files[0]); });
  document.addEventListener("paste", (event) => { if (event.clipboardData.files[0]) read(event.clipboardData.files[0]); });
}

function begin() {
  the(takesPicture ? "pictures" : "words").hidden = false;
  the("about").textContent = { image: "Gives each pixel of a picture a label.", json: "Answers one instance." }[endpoint.input] ?? "Gives a text its label.";
  if (endpoint.input === "json") {
    the("text-label").textContent = "Instance, as JSON";
    the("text").classList.add("code");
  }
  if (takesPicture) watchDrops();
  else the("hint").textContent = "Ctrl + Enter asks, too";
  the("examples").hidden = !endpoint.examples.length;
  the("examples").append(...endpoint.examples.map(offerExample));
  the("ask").addEventListener("submit", (event) => { event.preventDefault(); predict(); });
  the("text").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); predict(); } });
  refresh();
}

begin();
