"use strict";
// Draws a prediction: probabilities as bars, a mask over its picture, anything else as it is.

const MOST_BARS = 8;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const percent = (share) => (100 * share).toFixed(share < 0.1 ? 1 : 0) + " %";

function bar(name, share, colour) {
  const fill = element("i");
  fill.style.width = `${100 * share}%`;
  if (colour) fill.style.background = colour;
  return element("li", {}, name, element("span", { textContent: percent(share) }), element("div", { className: "track" }, fill));
}

function bars(items) {
  return element("ul", { className: "bars" }, ...items);
}

function showProbabilities(prediction, place) {
  const sorted = Object.entries(prediction.probabilities).sort((one, other) => other[1] - one[1]);
  const items = sorted.map(([label, share], index) => {
    const item = bar(element("span", { textContent: label }), share);
    item.classList.toggle("other", index > 0);
    return item;
  });
  place.append(bars(items.slice(0, MOST_BARS)));
  if (items.length > MOST_BARS) {
    const summary = element("summary", { textContent: `${items.length - MOST_BARS} more labels` });
    place.append(element("details", { className: "more" }, summary, bars(items.slice(MOST_BARS))));
  }
  return `${prediction.label}, ${percent(prediction.score)}`;
}

async function classesOf(prediction) {
  // The class number of each pixel: the PNG's grey values as they are stored, no colour management.
  const bytes = Uint8Array.from(atob(prediction.mask), (character) => character.charCodeAt(0));
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), options);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

function paint(canvas, classes, colours, hidden) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const rgb = colours.map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));
  for (let at = 0; at < classes.length; at += 4) {
    const number = classes[at];
    if (hidden.has(number) || !(number in rgb)) continue;
    [image.data[at], image.data[at + 1], image.data[at + 2]] = rgb[number];
    image.data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function legend(prediction, labels, colours, repaint) {
  const hidden = new Set();
  return labels.map((label, number) => {
    const swatch = element("i");
    swatch.style.background = colours[number];
    const toggle = element("button", { type: "button", title: "show or hide" }, swatch, label);
    toggle.ariaPressed = "true";
    toggle.addEventListener("click", () => {
      toggle.ariaPressed = String(hidden.delete(number) || !hidden.add(number));
      repaint(hidden);
    });
    return bar(toggle, prediction.shares[label], colours[number]);
  });
}

async function showMask(prediction, place, { labels = Object.keys(prediction.shares), colours, picture }) {
  const classes = await classesOf(prediction);
  const canvas = element("canvas", { width: prediction.width, height: prediction.height });
  const strength = element("input", { type: "range", min: 0, max: 100, value: 55 });
  const repaint = (hidden) => paint(canvas, classes, colours, hidden);
  const fade = () => { canvas.style.opacity = strength.value / 100; };
  strength.addEventListener("input", fade);
  fade();
  repaint(new Set());
  const largest = labels.reduce((best, label) => (prediction.shares[label] > prediction.shares[best] ? label : best));
  const told = `mostly ${largest}, ${percent(prediction.shares[largest])}`;
  const shown = picture ? [element("img", { src: picture, alt: "The picture that was sent" })] : [];
  canvas.setAttribute("role", "img");
  canvas.ariaLabel = `Mask: ${labels.map((label) => `${label} ${percent(prediction.shares[label])}`).join(", ")}`;
  place.append(
    element("div", { className: "picture" }, ...shown, canvas),
    element("label", { className: "strength" }, "Mask", strength),
    bars(legend(prediction, labels, colours, repaint)),
  );
  return told;
}

async function show(prediction, place, how) {
  // Returns the answer in words.
  if (typeof prediction.mask === "string" && prediction.shares) return showMask(prediction, place, how);
  if (prediction.probabilities && typeof prediction.label === "string") return showProbabilities(prediction, place);
  const [first, ...others] = Object.entries(prediction);
  if (first && !others.length && typeof first[1] !== "object") return `${first[0]} ${first[1]}`;
  place.append(element("pre", { textContent: JSON.stringify(prediction, null, 2) }));
  return "answered";
}
