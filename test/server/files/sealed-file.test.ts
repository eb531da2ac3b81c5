import { randomBytes } from 'node:crypto'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSealedFile, writeSealedFile } from '../../../src/server/files/sealed-file.ts'
import { createSecretBox } from '../../../src/storage/secret/box.ts'
import { mountSmallDisk } from '../../support/small-disk.ts'

const box = createSecretBox([randomBytes(32)])
const texts = ['one', '', 'three, with ünïcode']

test('the texts come back in their order', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'signalbox-'))
  const path = join(folder.path, 'file')
  for (const written of [texts, [], ['again']]) {
    await writeSealedFile(path, written, box, 'purpose')
    expect(await readSealedFile(path, box, 'purpose')).toEqual(written)
  }
})

test('what was cut off, moved, changed or sealed for something else is not read', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'signalbox-'))
  const path = join(folder.path, 'file')
  await writeSealedFile(path, texts, box, 'purpose')
  const whole = await readFile(path)
  await expect(readSealedFile(path, box, 'other purpose')).rejects.toThrow('cannot be decrypted')
  await expect(readSealedFile(path, createSecretBox([randomBytes(32)]), 'purpose')).rejects.toThrow('another')

  await writeSealedFile(path, texts, box, 'purpose')
  const [, ofAnother] = framesOf(await readFile(path))
  const id = whole.subarray(0, 16)
  const [first, second, ...rest] = framesOf(whole)
  const withoutEnd = whole.subarray(0, whole.length - rest.at(-1)!.length)
  const damaged: [Buffer, string][] = [
    [Buffer.alloc(0), 'it is empty'],
    [whole.subarray(0, withoutEnd.length + 2), 'it breaks off'],
    [whole.subarray(0, whole.length - 1), 'it breaks off'],
    [withoutEnd, 'cannot be decrypted'],
    [Buffer.concat([id, second!, ...rest]), 'cannot be decrypted'],
    [Buffer.concat([id, second!, first!, ...rest]), 'cannot be decrypted'],
    [Buffer.concat([id, first!, ofAnother!, ...rest]), 'cannot be decrypted'],
    [Buffer.concat([whole.subarray(0, 90), Buffer.from([whole[90]! ^ 1]), whole.subarray(91)]), 'cannot be decrypted'],
  ]
  for (const [bytes, message] of damaged) {
    await writeFile(path, bytes)
    await expect(readSealedFile(path, box, 'purpose')).rejects.toThrow(message)
  }
})

test('a file that cannot be finished leaves the one before', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'signalbox-'))
  const path = join(folder.path, 'file')
  await writeSealedFile(path, texts, box, 'purpose')
  function* failing() {
    yield 'new'
    throw new Error('no more')
  }
  await expect(writeSealedFile(path, failing(), box, 'purpose')).rejects.toThrow('no more')
  expect(await readSealedFile(path, box, 'purpose')).toEqual(texts)
})

test('a disk that is full leaves the file before whole', async ({ skip }) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'signalbox-'))
  const mountPoint = join(folder.path, 'disk')
  using disk = mountSmallDisk(mountPoint, '1m')
  skip(disk === undefined, 'a small file system can be mounted by root alone')
  const path = join(mountPoint, 'file')
  await writeSealedFile(path, texts, box, 'purpose')
  const tooMany = Array.from({ length: 300 }, () => 'x'.repeat(10_001))
  await expect(writeSealedFile(path, tooMany, box, 'purpose')).rejects.toThrow('ENOSPC')
  expect(await readSealedFile(path, box, 'purpose')).toEqual(texts)
})

/** With their lengths. */
function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = []
  for (let at = 16; at < bytes.length; at += frames.at(-1)!.length) {
    frames.push(bytes.subarray(at, at + 4 + bytes.readUInt32LE(at)))
  }
  return frames
}
