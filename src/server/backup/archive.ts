import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Dump, SequencePosition } from '../../storage/backup/dump.ts'
import type { StoredTable } from '../../storage/backup/table-list.ts'
import {
  ArchiveError,
  decodeFrames,
  encodeFrame,
  type ArchiveFrame,
  type ArchiveFrameKind,
  magic,
  maxContentBytes,
} from './frame.ts'

const table = z.object({
  name: z.string(),
  columns: z.array(z.string()),
  partition: z.object({ of: z.string(), bound: z.string() }).nullable(),
  estimatedBytes: z.number(),
})
const header = z.object({
  /** Of the software that made it. */
  version: z.string(),
  createdAt: z.string(),
  serverVersion: z.string(),
  configVersion: z.number(),
  encryptionKeyId: z.string().nullable(),
  migrations: z.array(z.object({ name: z.string(), checksum: z.string() })),
  tables: z.array(table),
})
/** The header of a backup, which precedes its rows. */
export type ArchiveHeader = z.output<typeof header>

const keys = z.array(z.string())
const sequences = z.array(z.object({ name: z.string(), lastValue: z.string() }))
const end = z.object({ sha256: z.string() })

/** The parts of a backup, in order. `end` is returned only if all bytes before it are intact. */
export type ArchivePart =
  | { readonly kind: 'header'; readonly header: ArchiveHeader }
  | { readonly kind: 'keys'; readonly keys: readonly string[] }
  | { readonly kind: 'table'; readonly table: StoredTable }
  | { readonly kind: 'rows'; readonly rows: Buffer }
  | { readonly kind: 'sequences'; readonly sequences: readonly SequencePosition[] }
  | { readonly kind: 'end' }

export interface ArchiveOptions {
  readonly version: string
  readonly now: Date
  /** As base64; empty: the encryption key is not in it. */
  readonly encryptionKeys: readonly string[]
  readonly onRows?: (tableName: string, bytes: number) => void
}

/** The bytes of a backup, as they are read from the database. */
export async function* writeArchive(dump: Dump, options: ArchiveOptions): AsyncGenerator<Buffer> {
  const digest = createHash('sha256')
  const pass = (bytes: Buffer) => {
    digest.update(bytes)
    return bytes
  }
  const frame = (kind: ArchiveFrameKind, value: unknown) => pass(encodeFrame(kind, Buffer.from(JSON.stringify(value))))
  yield pass(magic)
  yield frame('header', headerOf(dump, options))
  if (options.encryptionKeys.length > 0) yield frame('keys', options.encryptionKeys)
  for (const stored of dump.tables) {
    yield frame('table', stored.name)
    for await (const rows of dump.readTable(stored) as AsyncIterable<Buffer>) {
      options.onRows?.(stored.name, rows.length)
      for (let at = 0; at < rows.length; at += maxContentBytes)
        yield pass(encodeFrame('rows', rows.subarray(at, at + maxContentBytes)))
    }
  }
  yield frame('sequences', await dump.readSequences())
  yield encodeFrame('end', Buffer.from(JSON.stringify({ sha256: digest.digest('hex') })))
}

function headerOf(dump: Dump, { version, now }: ArchiveOptions): ArchiveHeader {
  const { serverVersion, configVersion, encryptionKeyId } = dump
  return {
    version,
    createdAt: now.toISOString(),
    serverVersion,
    configVersion,
    encryptionKeyId,
    migrations: [...dump.migrations],
    tables: dump.tables.map((stored) => ({ ...stored, columns: [...stored.columns] })),
  }
}

/** Reads the parts of a backup. Throws `ArchiveError` if a part is in the wrong place, and at the end if any byte was changed. */
export async function* readArchive(bytes: AsyncIterable<Buffer>): AsyncGenerator<ArchivePart> {
  const digest = createHash('sha256').update(magic)
  const tables = new Map<string, StoredTable>()
  let last: ArchiveFrameKind | undefined
  for await (const frame of decodeFrames(bytes)) {
    if (!mayFollow(last, frame.kind)) throw new ArchiveError('It is damaged.')
    const part = partOf(frame, tables, frame.kind === 'end' ? digest.digest('hex') : '')
    if (part.kind === 'header') for (const stored of part.header.tables) tables.set(stored.name, stored)
    last = frame.kind
    if (frame.kind !== 'end') digest.update(frame.bytes)
    yield part
  }
  if (last !== 'end') throw new ArchiveError('It breaks off.')
}

const followers: Readonly<Record<ArchiveFrameKind, readonly ArchiveFrameKind[]>> = {
  header: ['keys', 'table', 'sequences'],
  keys: ['table', 'sequences'],
  table: ['rows', 'table', 'sequences'],
  rows: ['rows', 'table', 'sequences'],
  sequences: ['end'],
  end: [],
}

function mayFollow(last: ArchiveFrameKind | undefined, kind: ArchiveFrameKind): boolean {
  return last === undefined ? kind === 'header' : followers[last].includes(kind)
}

function partOf(
  { kind, content }: ArchiveFrame,
  tables: ReadonlyMap<string, StoredTable>,
  sha256: string,
): ArchivePart {
  switch (kind) {
    case 'header':
      return { kind, header: parse(header, content) }
    case 'keys':
      return { kind, keys: parse(keys, content) }
    case 'table':
      return { kind, table: tables.get(parse(z.string(), content)) ?? damaged() }
    case 'rows':
      return { kind, rows: content }
    case 'sequences':
      return { kind, sequences: parse(sequences, content) }
    case 'end':
      return parse(end, content).sha256 === sha256 ? { kind } : damaged()
  }
}

function parse<T>(schema: z.ZodType<T>, content: Buffer): T {
  try {
    return schema.parse(JSON.parse(content.toString('utf8')))
  } catch (error) {
    throw new ArchiveError('It is damaged.', { cause: error })
  }
}

function damaged(): never {
  throw new ArchiveError('It is damaged.')
}
