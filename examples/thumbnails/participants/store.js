// Writes thumbnails to STORE, one file a job. A job that comes twice, as it may
// with at-least-once delivery, is written over by itself.
const fs = require('fs');
const path = require('path');
const msgflo = require('msgflo-nodejs');

const folder = process.env.STORE || 'thumbnails';
fs.mkdirSync(folder, { recursive: true });

const definition = {
  component: 'thumbnails/Store',
  label: 'Keeps thumbnails as files',
  icon: 'save',
  inports: [{ id: 'in', type: 'object' }],
  outports: [{ id: 'done', type: 'string' }],
};

module.exports = (broker, role) => {
  // So many jobs are on their way while one is worked on.
  const client = msgflo.transport.getClient(broker, { prefetch: 10 });
  const work = (port, job, send) => {
    const file = path.join(folder, `${String(job.id).replace(/[^\w-]/g, '_')}.png`);
    // Written beside and renamed: nobody finds half a picture.
    const part = `${file}.${process.pid}.part`;
    fs.writeFile(part, Buffer.from(job.thumbnail, 'base64'), (err) => {
      if (err) return send('done', err);
      return fs.rename(part, file, (failed) => (failed ? send('done', failed) : send('done', null, file)));
    });
  };
  return new msgflo.participant.Participant(client, definition, work, role);
};
