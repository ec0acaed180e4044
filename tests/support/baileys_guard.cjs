// Preloaded into each node process of the tests (node -r): it may connect to 127.0.0.1 and to nothing else.
// Each refusal is thrown to the caller and noted as a line in the file that GUARD_REFUSED names.
const dgram = require('dgram')
const dns = require('dns')
const fs = require('fs')
const { syncBuiltinESMExports } = require('module')
const net = require('net')

const ALLOWED = '127.0.0.1'

function refuse(what) {
  fs.appendFileSync(process.env.GUARD_REFUSED, `${what}\n`)
  throw new Error(`guard: refused ${what}`)
}

// The host that a call of net.Socket.connect() names: (options), (port, host) or (path).
function target(args) {
  // net.connect() and tls.connect() pass on one array of normalized arguments
  const [first, second] = Array.isArray(args[0]) ? args[0] : args
  if (first !== null && typeof first === 'object') return first.path ?? first.host ?? 'localhost'
  if (typeof first === 'string' && !/^\d+$/.test(first)) return first
  return typeof second === 'string' ? second : 'localhost'
}

// TLS sockets connect through this method too.
const connect = net.Socket.prototype.connect
net.Socket.prototype.connect = function (...args) {
  const host = target(args)
  return host === ALLOWED ? connect.apply(this, args) : refuse(`a socket to ${host}`)
}

dgram.createSocket = () => refuse('a datagram socket')
dgram.Socket.prototype.send = () => refuse('a datagram')

// An address that is no name is never looked up, so each lookup is for another host.
for (const resolver of [dns, dns.promises, dns.Resolver.prototype, dns.promises.Resolver.prototype]) {
  for (const name of Object.getOwnPropertyNames(resolver)) {
    if (/^(lookup|resolve|reverse)/.test(name)) resolver[name] = host => refuse(`a lookup of ${host}`)
  }
}

syncBuiltinESMExports()
