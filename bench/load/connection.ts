import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { MessageScanner } from './message-scanner.ts'

/** Where requests go, and with which headers. */
export interface Address {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** A request as bytes. */
export function requestBytes(address: Address, body: string): Buffer {
  const headers = {
    host: `127.0.0.1:${address.port}`,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...address.headers,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`POST ${address.path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
}

/** One keep-alive connection that carries one request at a time. */
export class Connection {
  readonly #socket: Socket
  readonly #scanner = new MessageScanner()
  readonly #onAnswer: (connection: Connection) => void
  readonly #onData: ((chunk: Buffer) => void) | undefined
  /** Whether the server closed it, or it failed. */
  isBroken = false
  isBusy = false

  constructor(
    port: number,
    handlers: {
      answer: (connection: Connection) => void
      broken: (connection: Connection) => void
      data?: (chunk: Buffer) => void
    },
  ) {
    this.#onAnswer = handlers.answer
    this.#onData = handlers.data
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk) => this.#read(chunk))
    this.#socket.on('error', () => {})
    this.#socket.once('close', () => {
      this.isBroken = true
      handlers.broken(this)
    })
  }

  get status(): number {
    return this.#scanner.status
  }

  /** Whether the last answer was a stream that ended as a stream should. */
  get isDone(): boolean {
    return this.#scanner.tail.includes('[DONE]')
  }

  get head(): string {
    return this.#scanner.head
  }

  async opened(): Promise<void> {
    if (this.#socket.connecting) await once(this.#socket, 'connect')
  }

  send(bytes: Buffer): void {
    this.isBusy = true
    this.#socket.write(bytes)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    this.#onData?.(chunk)
    if (!this.#scanner.push(chunk)) return
    this.isBusy = false
    this.#onAnswer(this)
  }
}
