/**
 * A file of texts, each sealed by itself and with its place, so that one that is missing, or somewhere else, is noticed: its length
 * (4 bytes, little-endian), then the sealed text, and so on. Behind the last there is an empty one whose place says that it is the end.
 */
import { type FileHandle, open, readFile, rename } from 'node:fs/promises'
import type { SecretBox } from '../storage/secret-box.ts'

const lengthBytes = 4

/**
 * Writes it anew: what was there stays until all of it is on disk. The texts are asked for one by one, with time for other work in
 * between. `context` binds them to their purpose.
 */
export async function writeSealedFile(
  path: string,
  texts: Iterable<string>,
  box: SecretBox,
  context: string,
): Promise<void> {
  const unfinished = `${path}.new`
  await using file = await open(unfinished, 'w', 0o600)
  let count = 0
  for (const text of texts) await append(file, box.seal(text, placeOf(context, count++)))
  await append(file, box.seal('', endOf(context, count)))
  await file.sync()
  // Renamed into place, or a crash would leave half a file where a whole one was.
  await rename(unfinished, path)
}

/** Throws if it is not there, not whole, or was sealed with another key. */
export async function readSealedFile(path: string, box: SecretBox, context: string): Promise<string[]> {
  const frames = splitFrames(await readFile(path))
  const end = frames.pop()
  if (!end) throw new Error('it is empty')
  box.open(end, endOf(context, frames.length))
  return frames.map((sealed, index) => box.open(sealed, placeOf(context, index)))
}

async function append(file: FileHandle, sealed: Buffer): Promise<void> {
  const length = Buffer.alloc(lengthBytes)
  length.writeUInt32LE(sealed.length)
  await file.writev([length, sealed])
}

function splitFrames(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    if (at + lengthBytes > bytes.length) throw new Error('it breaks off')
    const start = at + lengthBytes
    at = start + bytes.readUInt32LE(at)
    if (at > bytes.length) throw new Error('it breaks off')
    frames.push(bytes.subarray(start, at))
  }
  return frames
}

function placeOf(context: string, index: number): string {
  return `${context} ${index}`
}

function endOf(context: string, count: number): string {
  return `${context} end of ${count}`
}
