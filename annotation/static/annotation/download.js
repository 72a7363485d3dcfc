// Saves a picture of the page as SVG or PNG: an inline SVG with the look that it has on the page, or an image that
// the server drew. Nothing is sent anywhere.

const SCALE = 2; // PNG pixels for each pixel on the screen
const LOOK = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight",
  "text-anchor", "paint-order", "dominant-baseline",
];

// A copy of the SVG that needs no style sheet: what the page applies becomes attributes.
function standalone(svg) {
  const copy = svg.cloneNode(true);
  const originals = svg.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((node, index) => {
    const style = getComputedStyle(originals[index]);
    for (const name of LOOK) node.setAttribute(name, style.getPropertyValue(name));
    node.removeAttribute("class");
  });
  const { width, height } = svg.getBoundingClientRect();
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const sheet = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const box = svg.viewBox.baseVal;
  for (const [name, value] of Object.entries({ x: box.x, y: box.y, width: box.width, height: box.height })) {
    sheet.setAttribute(name, value);
  }
  sheet.setAttribute("fill", getComputedStyle(svg.closest(".card") ?? document.body).backgroundColor);
  copy.prepend(sheet);
  return new XMLSerializer().serializeToString(copy);
}

async function svgText(picture) {
  if (picture instanceof SVGElement) return standalone(picture);
  return (await fetch(picture.currentSrc)).text();
}

async function pngBlob(picture, text) {
  const image = new Image();
  // The content security policy allows data: for images, not blob:.
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const { width, height } = picture.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  canvas.width = width * SCALE;
  canvas.height = height * SCALE;
  const context = canvas.getContext("2d");
  context.fillStyle = picture instanceof SVGElement ? "transparent" : "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-download]");
  const picture = button && document.querySelector(button.dataset.picture);
  if (!picture) return;
  const { download: format, fileName } = button.dataset;
  const text = await svgText(picture);
  const blob = format === "png" ? await pngBlob(picture, text) : new Blob([text], { type: "image/svg+xml" });
  save(blob, `${fileName}.${format}`);
});
