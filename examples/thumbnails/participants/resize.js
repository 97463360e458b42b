// Scales a PNG down to WIDTH pixels: each new pixel is the mean of those that
// it stands for.
const { PNG } = require('pngjs');
const msgflo = require('msgflo-nodejs');

const width = Number(process.env.WIDTH || 32);

const definition = {
  component: 'thumbnails/Resize',
  label: 'Scales pictures down',
  icon: 'compress',
  inports: [{ id: 'in', type: 'object' }],
  outports: [{ id: 'out', type: 'object' }, { id: 'error', type: 'object' }],
};

function mean(from, x0, x1, y0, y1, channel) {
  let sum = 0;
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) sum += from.data[4 * (y * from.width + x) + channel];
  }
  return Math.round(sum / ((x1 - x0) * (y1 - y0)));
}

function scale(from, w) {
  const h = Math.max(1, Math.round((from.height * w) / from.width));
  const to = new PNG({ width: w, height: h });
  // The first and the last pixel but one of the source that a new one stands for.
  const span = (i, n, size) => {
    const first = Math.floor((i * size) / n);
    return [first, Math.max(first + 1, Math.floor(((i + 1) * size) / n))];
  };
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const [x0, x1] = span(x, w, from.width);
      const [y0, y1] = span(y, h, from.height);
      for (let c = 0; c < 4; c++) to.data[4 * (y * w + x) + c] = mean(from, x0, x1, y0, y1, c);
    }
  }
  return to;
}

module.exports = (broker, role) => {
  // So many jobs are on their way while one is worked on.
  const client = msgflo.transport.getClient(broker, { prefetch: 10 });
  const work = (port, job, send) => {
    let small;
    try {
      small = scale(PNG.sync.read(Buffer.from(job.picture, 'base64')), width);
    } catch (err) {
      return send('error', err, { id: job.id, error: err.message });
    }
    return send('out', null, { id: job.id, width, thumbnail: PNG.sync.write(small).toString('base64') });
  };
  return new msgflo.participant.Participant(client, definition, work, role);
};
