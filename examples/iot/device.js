// Plays a thermometer written with msgflo-arduino: it announces itself with an
// empty id, sends plain text with QoS 0, and keeps nothing. MSGFLO_BROKER is
// where, mqtt://localhost:1883 by default.
const mqtt = require('mqtt');

const role = 'thermometer';
const announcement = {
  protocol: 'discovery',
  command: 'participant',
  payload: {
    id: '', // as that library sends it where the sketch sets none
    role,
    component: 'iot/Thermometer',
    label: 'Measures the temperature',
    icon: 'thermometer-half',
    inports: [{ id: 'interval', queue: `${role}/interval`, type: 'number' }],
    outports: [{ id: 'celsius', queue: `${role}/celsius`, type: 'number' }],
  },
};

const client = mqtt.connect(process.env.MSGFLO_BROKER || 'mqtt://localhost:1883', {
  protocolVersion: 4, // MQTT 3.1.1
  clientId: role,
  clean: true,
  keepalive: 15,
});

// A day in a minute, around 21 °C.
const celsius = () => (21 + 3 * Math.sin((Date.now() / 60000) * 2 * Math.PI)).toFixed(1);

function measure() {
  if (!client.connected) return; // nothing is kept for later
  const reading = celsius();
  console.log(`celsius ${reading}`);
  client.publish(`${role}/celsius`, reading, { qos: 0 });
}

const announce = () => client.connected && client.publish('fbp', JSON.stringify(announcement), { qos: 0 });

let timer;
client.on('message', (topic, payload) => {
  const seconds = Number(payload.toString());
  if (!(seconds > 0)) {
    console.log(`no interval: ${JSON.stringify(payload.toString())}`);
    return;
  }
  console.log(`interval ${seconds} s`);
  clearInterval(timer);
  timer = setInterval(measure, seconds * 1000);
});
client.on('connect', () => {
  client.subscribe(`${role}/interval`, { qos: 0 }); // its retained message is the setting
  announce();
});
client.on('error', (err) => console.error(err.message));
setInterval(announce, 20000);
