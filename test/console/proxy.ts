/** A reverse proxy that serves the API below a prefix, and can be cut off. */
import { once } from 'node:events'
import { createServer, request as send } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface Proxy extends AsyncDisposable {
  /** e.g. `http://127.0.0.1:40002` */
  readonly origin: string
  /** Closes all connections and refuses new ones, until `restore`. */
  readonly cut: () => void
  /** What is connected now passes on nothing more, and stays open, as when a laptop has slept. */
  readonly freeze: () => void
  readonly restore: () => void
  /** What was asked for so far, with the prefix. */
  readonly paths: readonly string[]
}

export interface ProxyOptions {
  readonly target: string
  /** Taken from paths before they are passed on, e.g. `/models`. */
  readonly prefix?: string
  /** Whether it lets WebSockets through, which many do only when told to. */
  readonly letsUpgrade?: boolean
}

export async function openProxy({ target, prefix = '', letsUpgrade = true }: ProxyOptions): Promise<Proxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const onwards = new Set<Socket>()
  const paths: string[] = []
  let isCut = false
  const pathOf = (url = '/') => (url.startsWith(prefix) ? url.slice(prefix.length) || '/' : '/outside-of-the-prefix')
  const server = createServer((request, response) => {
    const { method, headers, url } = request
    paths.push(url ?? '')
    const onward = send({ hostname, port, path: pathOf(url), method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    response.once('close', () => onward.destroy())
    request.pipe(onward)
  })
  server.on('connection', (socket) => {
    if (isCut) return socket.destroy()
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    return undefined
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    if (!letsUpgrade) return socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    const onward = connect(Number(port), hostname, () => {
      const lines = request.rawHeaders.flatMap((text, index) =>
        index % 2 ? [] : [`${text}: ${request.rawHeaders[index + 1]}`],
      )
      onward.write([`GET ${pathOf(request.url)} HTTP/1.1`, ...lines, '', ''].join('\r\n'))
      onward.write(head)
      onward.pipe(socket).pipe(onward)
    })
    onwards.add(onward)
    onward.once('close', () => onwards.delete(onward))
    onward.on('error', () => socket.destroy())
    socket.once('close', () => onward.destroy())
    return undefined
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    paths,
    cut() {
      isCut = true
      for (const socket of sockets) socket.destroy()
    },
    freeze() {
      for (const socket of onwards) socket.unpipe().pause()
    },
    restore() {
      isCut = false
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
