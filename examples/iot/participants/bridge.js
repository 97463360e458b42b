// Sends on what it gets, to the queue OFFICE_QUEUE of the RabbitMQ at
// OFFICE_BROKER, and says so once that broker has confirmed it.
const amqp = require('amqplib');
const msgflo = require('msgflo-nodejs');

const definition = {
  component: 'iot/Bridge',
  label: 'Sends readings on to the office',
  icon: 'exchange',
  inports: [{ id: 'in', type: 'any' }],
  outports: [{ id: 'out', type: 'any' }, { id: 'error', type: 'object' }],
};

// An Office is a connection that is made when it is first needed, and again
// after it broke.
class Office {
  constructor(url, queue) {
    this.url = url;
    this.queue = queue;
    this.channel = null; // a promise of one
    this.sent = 0;
    this.unroutable = new Set();
  }

  async open() {
    const connection = await amqp.connect(this.url);
    connection.on('error', () => {}); // close follows
    connection.on('close', () => { this.channel = null; });
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => connection.close().catch(() => {}));
    // A message that no queue takes is confirmed too, but returned before.
    channel.on('return', (message) => this.unroutable.add(message.properties.messageId));
    return channel;
  }

  connected() {
    if (!this.channel) {
      const opening = this.open();
      this.channel = opening;
      opening.catch(() => { if (this.channel === opening) this.channel = null; });
    }
    return this.channel;
  }

  // send resolves when the broker has the message in the queue.
  async send(data) {
    const channel = await this.connected();
    this.sent += 1;
    const messageId = String(this.sent);
    await new Promise((resolve, reject) => {
      const options = { mandatory: true, persistent: true, contentType: 'application/json', messageId };
      const confirmed = (err) => (err ? reject(err) : resolve());
      channel.sendToQueue(this.queue, Buffer.from(JSON.stringify(data)), options, confirmed);
    });
    if (this.unroutable.delete(messageId)) throw new Error(`the office has no queue ${this.queue}`);
  }
}

module.exports = (broker, role) => {
  const office = new Office(process.env.OFFICE_BROKER, process.env.OFFICE_QUEUE);
  const client = msgflo.transport.getClient(broker);
  const work = (port, reading, send) => {
    office.send(reading).then(
      () => send('out', null, reading),
      (err) => send('error', err, { reading, error: err.message }),
    );
  };
  return new msgflo.participant.Participant(client, definition, work, role);
};
