/** A collector of traces: real HTTP on loopback, OTLP in protobuf, and all spans that came. */
import { createServer, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

type AttributeValue = string | number | boolean | null

export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty: it has none. */
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  readonly kind: 'INTERNAL' | 'SERVER' | 'CLIENT' | 'OTHER'
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Readonly<Record<string, AttributeValue>>
  readonly isError: boolean
  readonly resource: Readonly<Record<string, AttributeValue>>
}

export interface OtlpCollector extends AsyncDisposable {
  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to. */
  readonly endpoint: string
  readonly spans: readonly CollectedSpan[]
  /** Path and content type of each export. */
  readonly exports: readonly { readonly path: string | undefined; readonly contentType: string | undefined }[]
  /** What exports are answered from now on; default: 200. */
  answer(status: number): void
}

export async function openOtlpCollector(): Promise<OtlpCollector> {
  const spans: CollectedSpan[] = []
  const exports: { path: string | undefined; contentType: string | undefined }[] = []
  let status = 200
  const collect = async (request: IncomingMessage) => {
    const body = await buffer(request)
    exports.push({ path: request.url, contentType: request.headers['content-type'] })
    if (status === 200) spans.push(...readSpans(body))
  }
  const server = createServer((request, response) => {
    collect(request).then(
      () => response.writeHead(status).end(),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    exports,
    answer: (next) => void (status = next),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

// The messages of https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto/trace/v1, by field number.

function readSpans(body: Buffer): CollectedSpan[] {
  return readMessage(body)
    .all(1)
    .flatMap((bytes) => {
      const resourceSpans = readMessage(bytes)
      const resource = readAttributes(readMessage(resourceSpans.one(1)).all(1))
      const scopes = resourceSpans.all(2).map(readMessage)
      return scopes.flatMap((scope) => scope.all(2).map((span) => readSpan(span, resource)))
    })
}

function readSpan(bytes: Buffer, resource: CollectedSpan['resource']): CollectedSpan {
  const span = readMessage(bytes)
  return {
    traceId: span.one(1).toString('hex'),
    spanId: span.one(2).toString('hex'),
    traceState: span.one(3).toString(),
    parentSpanId: span.one(4).toString('hex'),
    name: span.one(5).toString(),
    kind: (['OTHER', 'INTERNAL', 'SERVER', 'CLIENT'] as const)[Number(span.number(6))] ?? 'OTHER',
    startMs: Number(span.number(7)) / 1e6,
    endMs: Number(span.number(8)) / 1e6,
    attributes: readAttributes(span.all(9)),
    isError: readMessage(span.one(15)).number(3) === 2n,
    resource,
  }
}

function readAttributes(pairs: readonly Buffer[]): Record<string, AttributeValue> {
  return Object.fromEntries(
    pairs.map(readMessage).map((pair) => [pair.one(1).toString(), readValue(readMessage(pair.one(2)))]),
  )
}

function readValue(value: Message): AttributeValue {
  if (value.has(1)) return value.one(1).toString()
  if (value.has(2)) return value.number(2) === 1n
  if (value.has(3)) return Number(value.number(3))
  return value.has(4) ? value.one(4).readDoubleLE() : null
}

interface Message {
  has(field: number): boolean
  /** Of a field with bytes; empty if it is not there. */
  one(field: number): Buffer
  all(field: number): Buffer[]
  /** Of a field with a number; 0 if it is not there. */
  number(field: number): bigint
}

/** https://protobuf.dev/programming-guides/encoding/ */
function readMessage(bytes: Buffer): Message {
  const fields: { readonly field: number; readonly value: Buffer | bigint }[] = []
  let at = 0
  const readVarint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const take = (length: number) => bytes.subarray(at, (at += length))
  while (at < bytes.length) {
    const tag = Number(readVarint())
    const kind = tag & 7
    const value = kind === 0 ? readVarint() : take(kind === 1 ? 8 : kind === 5 ? 4 : Number(readVarint()))
    fields.push({ field: tag >> 3, value })
  }
  const all = (field: number) =>
    fields.filter((it) => it.field === field).flatMap(({ value }) => (typeof value === 'bigint' ? [] : [value]))
  return {
    has: (field) => fields.some((it) => it.field === field),
    one: (field) => all(field).at(-1) ?? Buffer.alloc(0),
    all,
    number(field) {
      const value = fields.findLast((it) => it.field === field)?.value ?? 0n
      return typeof value === 'bigint' ? value : value.readBigUInt64LE()
    },
  }
}
