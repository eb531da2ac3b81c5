import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSocketFolder, removeSocketFolder } from '../../../src/server/postgres/socket-folder.ts'

const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
let dataDir: string

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'sbx-sockets-'))
})

afterEach(() => rm(dataDir, { recursive: true, force: true }))

describe('the folder of the socket', () => {
  test('is in the place for temporary files, and is removed', async () => {
    const folder = await createSocketFolder(own, dataDir)
    expect(dirname(folder)).toBe(tmpdir())
    await removeSocketFolder(folder, dataDir)
    await expect(readdir(folder)).rejects.toThrow('ENOENT')
  })

  test('may be in the data folder, from where it is removed too, and nothing else is', async () => {
    const [ours, other] = [join(dataDir, 'signalbox-abcdef'), join(dataDir, 'postgres')]
    await Promise.all([mkdir(ours), mkdir(other)])
    await removeSocketFolder(ours, dataDir)
    await removeSocketFolder(other, dataDir)
    expect(await readdir(dataDir)).toEqual(['postgres'])
  })
})
