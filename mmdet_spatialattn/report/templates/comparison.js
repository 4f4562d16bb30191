'use strict';
// One arm in detail: its parts are shown, and it stands out in the figures of all arms.
const choice = document.getElementById('arm');
const {baseline, colors} = choice.dataset;
const [chosenColor, baselineColor, otherColor] = colors.split(' ');

function emphasise(plot, colorOf) {
  const metas = plot.data.map(trace => trace.meta || {});
  if (!metas.some(meta => meta.part)) return;
  const order = metas.map(meta => meta.arm === choice.value ? 3 : meta.arm === baseline ? 2 : 1);
  const palette = [otherColor, baselineColor, chosenColor].map(colorOf);
  const shades = order.map(position => palette[position - 1]);
  Plotly.restyle(plot, {
    'line.color': shades, 'marker.color': shades, 'error_y.color': shades, zorder: order,
    fillcolor: shades.map(color => color + '33'),
    visible: metas.map((meta, i) => meta.part !== 'band' || order[i] > 1),
  });
  changeLabels(plot, meta => ({font: {color: colorOf(meta.arm === choice.value ? chosenColor : baselineColor)}, arrowcolor: colorOf(otherColor)}));
}

// The labels of points are annotations, named as their arms.
function changeLabels(plot, changeOf) {
  const labels = plot.layout.annotations || [], metas = new Map(plot.data.map(({meta}) => [meta && meta.arm, meta]));
  if (!labels.some(({name}) => metas.has(name))) return;
  Plotly.relayout(plot, {annotations: labels.map(label => metas.has(label.name) ? {...label, ...changeOf(metas.get(label.name))} : label)});
}
afterDrawing.push(emphasise);

function choose(arm) {
  choice.value = arm;
  all('.of-arm').forEach(part => { part.hidden = part.dataset.arm !== arm; });
  all('.figure').filter(isDrawn).forEach(place => emphasise(place, colorOnScreen()));
  if (document.readyState === 'complete') drawNext();  // at first, the page comes before its figures
}

choice.addEventListener('change', () => choose(choice.value));
all('[data-pick]').forEach(link => link.addEventListener('click', event => {
  choose(link.dataset.pick);
  if (!('stratum' in link.dataset)) return;
  event.preventDefault();
  const part = document.querySelector('.of-arm:not([hidden])'), filter = part.querySelector('[data-filter=stratum]');
  if (filter) {
    filter.value = [...filter.options].some(option => option.value === link.dataset.stratum) ? link.dataset.stratum : '';
    filter.dispatchEvent(new Event('change', {bubbles: true}));
  }
  part.querySelector('.images').scrollIntoView();
}));
choose(choice.value);

// The cost on the axis.
all('[name=cost]').forEach(input => input.addEventListener('change', () => {
  const plot = document.getElementById('figure-cost');
  if (!plot || !isDrawn(plot)) return;
  Plotly.restyle(plot, {x: plot.data.map(trace => [trace.meta.costs[input.value]])});
  Plotly.relayout(plot, {'xaxis.title.text': input.value + ', times the baseline'});
  changeLabels(plot, ({costs}) => ({x: costs[input.value], visible: input.value in costs}));
}));

// The gallery: images with an error of one kind, and images enlarged.
all('.filters').forEach(filters => filters.addEventListener('change', () => {
  const wanted = all('select', filters).map(select => select.value), pairs = all('.pair', filters.closest('.gallery'));
  pairs.forEach(pair => {
    const errors = JSON.parse(pair.dataset.errors);
    pair.hidden = !wanted.every(value => !value) && !errors.some(error => wanted.every((value, i) => !value || error[i] === value));
  });
  filters.querySelector('output').textContent = `${pairs.filter(pair => !pair.hidden).length} of ${pairs.length} images`;
}));

const enlarged = document.getElementById('enlarged');
all('.pair').forEach(pair => pair.addEventListener('click', event => {
  if (!event.target.closest('svg, .enlarge')) return;
  const copy = pair.closest('.gallery').cloneNode(false);
  const view = pair.closest('.gallery').querySelector('fieldset').cloneNode(true);
  all('[type=radio]', view).forEach(input => { input.name = 'view-enlarged'; });
  copy.append(view, pair.cloneNode(true));
  enlarged.querySelector('.gallery').replaceWith(copy);
  enlarged.showModal();
}));
enlarged.addEventListener('click', event => { if (event.target === enlarged) enlarged.close(); });
