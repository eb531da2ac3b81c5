/**
 * A file of texts, each sealed by itself and with its place, so that one that is missing, or from elsewhere, is noticed: 16 random
 * bytes that are the file's own, and then, for each text, its length when sealed (4 bytes, little-endian) and the sealed text. Behind
 * the last there is an empty one whose place says that it is the end.
 */
import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { SecretBox } from '../../storage/secret/box.ts'

const idBytes = 16
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
  // Renamed into place, or a crash would leave half a file where a whole one was.
  // Several processes of one data folder may write at once: each has a name of its own for the unfinished file.
  const unfinished = `${path}.new-${process.pid}`
  try {
    await writeFile(unfinished, sealAll(texts, box, context), { mode: 0o600, flush: true })
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

/** Throws if it is not there, not whole, or was sealed with another key. */
export async function readSealedFile(path: string, box: SecretBox, context: string): Promise<string[]> {
  const bytes = await readFile(path)
  const place = placesOf(context, bytes.subarray(0, idBytes))
  const frames = splitFrames(bytes.subarray(idBytes))
  const end = frames.pop()
  if (!end) throw new Error('it is empty')
  box.open(end, place.end(frames.length))
  return frames.map((sealed, index) => box.open(sealed, place.of(index)))
}

function* sealAll(texts: Iterable<string>, box: SecretBox, context: string): Generator<Buffer> {
  const id = randomBytes(idBytes)
  const place = placesOf(context, id)
  yield id
  let count = 0
  for (const text of texts) yield frame(box.seal(text, place.of(count++)))
  yield frame(box.seal('', place.end(count)))
}

function frame(sealed: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes)
  length.writeUInt32LE(sealed.length)
  return Buffer.concat([length, sealed])
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

/** Two files never share a place, so a text from an earlier file cannot be opened in a later one. */
function placesOf(context: string, id: Buffer) {
  const file = `${context} ${id.toString('hex')}`
  return {
    of: (index: number) => `${file} ${index}`,
    end: (count: number) => `${file} end of ${count}`,
  }
}
