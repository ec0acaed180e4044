// One Baileys client in a process of its own, which `baileys.py` starts and drives with lines of JSON:
//   node -r baileys_guard.cjs baileys_client.mjs '{"modules": …, "state": …, "root": …, "bare": …, "full": …}'
// In: {"rid": 1, "do": "send", "args": {…}}. Out: {"rid": 1, "ok": …}, {"rid": 1, "error": …}, {"event": …, …}.
// Values that JSON has not: {"base64": …} is bytes, {"date": …} a time and {"message": id} a message that the
// client has sent or received.
import crypto from 'crypto'
import fs from 'fs'
import { createRequire } from 'module'
import path from 'path'
import readline from 'readline'
import { pathToFileURL } from 'url'

globalThis.console = new console.Console(process.stderr) // the library of sessions prints to stdout
const options = JSON.parse(process.argv[2])
const require = createRequire(path.join(options.modules, 'index.js'))
const load = async name => {
  const module = await import(pathToFileURL(require.resolve(name)))
  return { ...module.default, ...module } // a CommonJS module has all of its names in `default` alone
}
const baileys = await load('baileys')
const defaults = await load('baileys/lib/Defaults/index.js')
const { HttpsProxyAgent } = await load('https-proxy-agent')
const { ProxyAgent } = require('undici')
const pino = createRequire(require.resolve('baileys'))('pino')

// The pinned root of Noise certificates is replaced in memory. Baileys 6 has none, for it checks no certificate.
if (defaults.WA_CERT_DETAILS) defaults.WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(options.root, 'hex')

const agent = new HttpsProxyAgent(process.env.HTTPS_PROXY)
const dispatcher = new ProxyAgent(process.env.HTTPS_PROXY)
const requests = { dispatcher, httpsAgent: agent, proxy: false } // Baileys 7 uses fetch, and Baileys 6 axios
const logger = pino({ level: 'warn' }, pino.destination({ dest: `${options.state}.log`, sync: true }))

const FINAL = [baileys.DisconnectReason.loggedOut, baileys.DisconnectReason.connectionReplaced]
const RECONNECT_MS = 100
const SENT_WITHIN_MS = 1000

const { state, saveCreds } = await baileys.useMultiFileAuthState(options.state)
const messages = new Map() // by id: those sent and received, for answers, downloads and retries
let arrived = 0 // the number of messages that a bare client has received
let socket
let isClosing = false

function emit(record) {
  fs.writeSync(1, `${JSON.stringify(record, toJson)}\n`)
}

function toJson(_, value) {
  if (value?.type === 'Buffer') return { base64: Buffer.from(value.data).toString('base64') }
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') }
  if (value instanceof Error) return { error: value.message, code: value.output?.statusCode }
  return value
}

function fromJson(value) {
  if (Array.isArray(value)) return value.map(fromJson)
  if (value === null || typeof value !== 'object') return value
  if ('base64' in value) return Buffer.from(value.base64, 'base64')
  if ('date' in value) return new Date(value.date)
  if ('message' in value && typeof value.message === 'string') return messages.get(value.message)
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fromJson(each)]))
}

function connect() {
  socket = baileys.makeWASocket({
    auth: state,
    logger,
    agent,
    fetchAgent: agent,
    options: requests,
    syncFullHistory: options.full,
    shouldSyncHistoryMessage: () => true,
    getMessage: async key => (await sentMessage(key.id))?.message
  })
  socket.ev.process(async events => {
    for (const [name, data] of Object.entries(events)) await handlers[name]?.(data)
    if (options.bare) return
    for (const [name, data] of Object.entries(events)) if (!(name in handlers)) emit({ event: name, data })
  })
}

// Somebody may ask for a message again before the call that sends it has returned.
async function sentMessage(id) {
  const deadline = Date.now() + SENT_WITHIN_MS
  while (!messages.has(id) && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 10))
  return messages.get(id)
}

const handlers = {
  'creds.update': async update => {
    await saveCreds()
    if (update.accountSyncCounter) emit({ event: 'synced' }) // history and app state are there
  },
  'connection.update': ({ lastDisconnect, ...update }) => {
    const code = lastDisconnect?.error?.output?.statusCode
    emit({ event: 'connection', ...update, code, why: lastDisconnect?.error?.message })
    if (update.connection !== 'close' || isClosing || FINAL.includes(code)) return
    setTimeout(connect, RECONNECT_MS)
  },
  'messages.upsert': ({ messages: received, type }) => {
    for (const message of received) {
      messages.set(message.key.id, message)
      if (!options.bare) emit({ event: 'message', how: type, ...message })
      else if (message.message) arrived += 1
    }
  }
}

const commands = {
  connect: async () => connect(),
  close: async () => {
    isClosing = true
    await socket.end(undefined)
    isClosing = false
  },
  code: ({ number }) => socket.requestPairingCode(number),
  me: () => socket.user,
  send: async ({ to, content, options: more }) => {
    const sent = await socket.sendMessage(to, fromJson(content), fromJson(more))
    messages.set(sent.key.id, sent)
    return sent
  },
  relay: ({ to, message }) => socket.relayMessage(to, fromJson(message), {}), // a waE2E.Message; returns its id
  read: ({ ids }) => socket.readMessages(ids.map(id => messages.get(id).key)),
  download: async ({ id }) => {
    const context = { logger, reuploadRequest: socket.updateMediaMessage }
    const data = await baileys.downloadMediaMessage(messages.get(id), 'buffer', { options: requests }, context)
    return crypto.createHash('sha256').update(data).digest('hex')
  },
  call: ({ name, args }) => socket[name](...fromJson(args)), // any other method of the library's socket
  has: ({ name }) => name in socket,
  arrived: () => arrived,
  exit: () => process.exit(0)
}

process.on('unhandledRejection', error => emit({ event: 'unhandled', error: String(error?.stack ?? error) }))
emit({ event: 'ready' })
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { rid, do: name, args } = JSON.parse(line)
  new Promise(resolve => resolve(commands[name](args))).then(
    ok => emit({ rid, ok: ok ?? null }),
    error => emit({ rid, error: String(error?.stack ?? error) })
  )
}
process.exit(0)
