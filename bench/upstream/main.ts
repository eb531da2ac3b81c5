/** The process of the bench's model servers. Tells its parent the ports; forked by `open-upstreams.ts`. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { MessageScanner } from '../load/message-scanner.ts'
import { type Behaviour, behaviours, eventsPerStream, pacedEveryMs } from './behaviour.ts'

const base = { id: 'chatcmpl-bench', object: 'chat.completion', created: 1_700_000_000, model: 'bench' }
const usage = { prompt_tokens: 200, completion_tokens: 100, total_tokens: 300 }
const words = 'All models are wrong and some of them are useful, which is why a route has more than one. '

const completion = (bytes: number, marker: string) => {
  const content = words.repeat(Math.ceil(bytes / words.length)).slice(0, bytes)
  const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }]
  const body = JSON.stringify({ ...base, choices, usage })
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-marker: ${marker}\r\ncontent-length: ${body.length}\r\n\r\n`
  return Buffer.from(head + body)
}

const chunkOf = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const eventOf = (value: object) => chunkOf(`data: ${JSON.stringify(value)}\n\n`)
const delta = (content: string) => ({
  ...base,
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
  usage: null,
})
const streamHead = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n',
)
const event = Buffer.from(eventOf(delta(' token')))
const ending = Buffer.from(`${eventOf({ ...base, choices: [], usage })}${chunkOf('data: [DONE]\n\n')}0\r\n\r\n`)
const burst = Buffer.concat([streamHead, ...Array.from({ length: eventsPerStream.burst }, () => event), ending])
const begin = Buffer.concat([streamHead, event])

const paced = new Map<Socket, number>()
setInterval(() => {
  for (const [socket, sent] of paced) {
    const isLast = sent + 1 >= eventsPerStream.paced
    socket.write(isLast ? Buffer.concat([event, ending]) : event)
    if (isLast) paced.delete(socket)
    else paced.set(socket, sent + 1)
  }
}, pacedEveryMs)

const held = new Set<Socket>()
setInterval(() => {
  for (const socket of held) socket.write(event)
}, 2_000)
process.on('message', () => {
  for (const socket of held) socket.write(ending)
  held.clear()
})

const answers: Readonly<Record<Behaviour, (socket: Socket) => void>> = {
  small: writes(completion(700, 'small')),
  'small-b': writes(completion(700, 'small-b')),
  answer: writes(completion(150_000, 'answer')),
  burst: writes(burst),
  paced: (socket) => {
    socket.write(begin)
    paced.set(socket, 1)
  },
  held: (socket) => {
    socket.write(begin)
    held.add(socket)
  },
}

function writes(bytes: Buffer) {
  return (socket: Socket) => void socket.write(bytes)
}

async function listen(behaviour: Behaviour): Promise<[Behaviour, number]> {
  const answer = answers[behaviour]
  const server = createServer({ noDelay: true }, (socket) => {
    const scanner = new MessageScanner()
    socket.on('data', (chunk) => scanner.push(chunk) && answer(socket))
    socket.on('error', () => {})
    socket.once('close', () => {
      paced.delete(socket)
      held.delete(socket)
    })
  })
  const listening = Promise.withResolvers<void>()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 }, listening.resolve)
  await listening.promise
  return [behaviour, (server.address() as AddressInfo).port]
}

process.send?.(Object.fromEntries(await Promise.all(behaviours.map(listen))))
process.on('disconnect', () => process.exit())
