'use strict';
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const dark = matchMedia('(prefers-color-scheme: dark)');

// Figures: drawn one by one when the page stands, those in sight first; again when the colours change.
const darkColors = JSON.parse(document.getElementById('dark-figures').textContent);
const config = {responsive: true, displayModeBar: false, plotlyServerURL: ''};
const colorOnPaper = color => color, colorInTheDark = color => darkColors[color] || color;
const colorOnScreen = () => dark.matches ? colorInTheDark : colorOnPaper;
const isShown = element => element.offsetParent !== null;
const isDrawn = place => place.classList.contains('js-plotly-plot');
const afterDrawing = [];  // what a page does to a figure in the given colours

function loadPlotly() {
  if (window.Plotly) return;
  const script = document.createElement('script');
  script.textContent = document.getElementById('plotly').textContent;
  document.head.append(script);
}

function draw(place, colorOf = colorOnScreen()) {
  loadPlotly();
  const recolored = (key, value) => typeof value === 'string' ? colorOf(value) : value;
  const {data, layout} = JSON.parse(place.nextElementSibling.textContent, recolored);
  Plotly.react(place, data, layout, config);
  afterDrawing.forEach(act => act(place, colorOf));
}

function drawNext() {
  const waiting = all('.figure').filter(place => isShown(place) && !isDrawn(place));
  if (!waiting.length) return;
  const inSight = place => { const {top, bottom} = place.getBoundingClientRect(); return bottom > 0 && top < innerHeight; };
  draw(waiting.find(inSight) || waiting[0]);
  setTimeout(drawNext);
}

addEventListener('load', () => setTimeout(drawNext));
dark.addEventListener('change', () => all('.figure').filter(isDrawn).forEach(place => draw(place)));
all('.save').forEach(button => button.addEventListener('click', () => {
  const place = button.parentNode.querySelector('.figure');
  Plotly.downloadImage(place, {format: 'svg', filename: place.id, width: place.clientWidth, height: place.clientHeight});
}));

// Tables: a hint where one is cut off, and rows sorted by the first number of a column, or its text.
const cut = new ResizeObserver(entries => entries.forEach(({target}) => {
  target.classList.toggle('cut', target.scrollWidth > target.clientWidth + 1);
}));
all('.scroll').forEach(part => cut.observe(part));

function sortKey(row, column) {
  const text = row.cells[column].textContent.trim(), number = parseFloat(text.replace(/[,<\s]/g, ''));
  return Number.isNaN(number) ? text : number;
}

all('.sort').forEach(button => button.addEventListener('click', () => {
  const header = button.closest('th'), table = button.closest('table'), column = header.cellIndex;
  const order = header.ariaSort === 'descending' ? 'ascending' : 'descending';
  all('th', table.tHead).forEach(cell => { cell.ariaSort = cell === header ? order : null; });
  const sign = order === 'ascending' ? 1 : -1;
  const compare = (a, b) => typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
  const rows = [...table.tBodies[0].rows].sort((a, b) => sign * compare(sortKey(a, column), sortKey(b, column)));
  table.tBodies[0].append(...rows);
}));

// Printing: everything unfolded and drawn in light colours at the width of the paper.
let closed = [];
addEventListener('beforeprint', () => {
  closed = all('details:not([open])');
  closed.forEach(part => { part.open = true; });
  document.body.style.width = '680px';  // A4 within its margins: plots do not adapt to the paper by themselves
  all('.figure').filter(isShown).forEach(place => { draw(place, colorOnPaper); Plotly.relayout(place, {width: place.clientWidth}); });
});
addEventListener('afterprint', () => {
  closed.forEach(part => { part.open = false; });
  document.body.style.width = '';
  all('.figure').filter(isDrawn).forEach(place => draw(place));
});
