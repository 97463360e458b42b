// Reads the picture that a job names and sends the two on together.
const fs = require('fs');
const msgflo = require('msgflo-nodejs');

const definition = {
  component: 'thumbnails/Fetch',
  label: 'Reads the picture that a job names',
  icon: 'download',
  inports: [{ id: 'in', type: 'object' }],
  outports: [{ id: 'out', type: 'object' }, { id: 'error', type: 'object' }],
};

module.exports = (broker, role) => {
  // So many jobs are on their way while one is worked on.
  const client = msgflo.transport.getClient(broker, { prefetch: 10 });
  const work = (port, job, send) => {
    // Thrown from here, an error would end the process, and the job would come
    // back to the next one, and so on: what is wrong with a job goes to a port.
    if (typeof (job && job.picture) !== 'string') {
      const err = new Error('the job names no picture: {"id": 1, "picture": "picture.png"}');
      return send('error', err, { id: job && job.id, error: err.message });
    }
    fs.readFile(job.picture, (err, picture) => {
      if (err) {
        // With data, the error goes to the port, and the job is refused.
        return send('error', err, { id: job.id, error: err.message });
      }
      return send('out', null, { id: job.id, picture: picture.toString('base64') });
    });
  };
  return new msgflo.participant.Participant(client, definition, work, role);
};
