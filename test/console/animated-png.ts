/** An animated PNG of PNGs of one size: browsers and GitHub play it, and it needs no encoder besides Node's own deflate. */
import { crc32, deflateSync, inflateSync } from 'node:zlib'

export interface Frame {
  readonly png: Buffer
  readonly showMs: number
}

interface Chunk {
  readonly type: string
  readonly data: Buffer
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

/** Plays for ever. Throws if the frames differ in size or in kind of pixel. */
export function animatedPng(frames: readonly Frame[]): Buffer {
  const images = frames.map(({ png }) => chunksOf(png))
  const header = headerOf(images[0]!)
  let sequence = 0
  const chunks: Chunk[] = [
    { type: 'IHDR', data: header },
    { type: 'acTL', data: uint32s(frames.length, 0) },
  ]
  for (const [index, image] of images.entries()) {
    if (!headerOf(image).equals(header)) throw new Error('the frames of an animation have one size')
    chunks.push({ type: 'fcTL', data: frameControl(sequence++, header, frames[index]!.showMs) })
    const pixels = smaller(Buffer.concat(image.filter(({ type }) => type === 'IDAT').map(({ data }) => data)))
    if (index === 0) chunks.push({ type: 'IDAT', data: pixels })
    else chunks.push({ type: 'fdAT', data: Buffer.concat([uint32s(sequence++), pixels]) })
  }
  chunks.push({ type: 'IEND', data: Buffer.alloc(0) })
  return Buffer.concat([signature, ...chunks.map(toBytes)])
}

function chunksOf(png: Buffer): readonly Chunk[] {
  const chunks: Chunk[] = []
  for (let at = signature.length; at < png.length;) {
    const length = png.readUInt32BE(at)
    chunks.push({ type: png.toString('latin1', at + 4, at + 8), data: png.subarray(at + 8, at + 8 + length) })
    at += length + 12
  }
  return chunks
}

function headerOf(chunks: readonly Chunk[]): Buffer {
  const header = chunks[0]
  if (header?.type !== 'IHDR') throw new Error('this is no PNG')
  return header.data
}

/** Whole frames, one over the other. */
function frameControl(sequence: number, header: Buffer, showMs: number): Buffer {
  const delay = Buffer.alloc(6)
  delay.writeUInt16BE(showMs, 0)
  delay.writeUInt16BE(1_000, 2)
  return Buffer.concat([uint32s(sequence), header.subarray(0, 8), uint32s(0, 0), delay])
}

/** A browser's screenshot is compressed for speed. */
function smaller(pixels: Buffer): Buffer {
  return deflateSync(inflateSync(pixels), { level: 9 })
}

function toBytes({ type, data }: Chunk): Buffer {
  const content = Buffer.concat([Buffer.from(type, 'latin1'), data])
  return Buffer.concat([uint32s(data.length), content, uint32s(crc32(content))])
}

function uint32s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}
