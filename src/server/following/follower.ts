import { type CompileResult, compileDelta, compileSnapshot } from '../../routing/config/compile.ts'
import type { SubjectKind } from '../../routing/config/subject-kind.ts'
import type { ConfigurationFault } from '../../routing/config/route-rules.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import { isSameVersion, type VersionId } from '../../storage/config/history.ts'
import { loadConfiguration, loadDelta } from '../../storage/config/load.ts'
import { loadChangeOf } from '../../storage/config/load-change.ts'
import { getConfigVersion } from '../../storage/change/version.ts'
import type { Db } from '../../storage/database/db.ts'
import { type SecretBox, SecretBoxError } from '../../storage/secret/box.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** The part of the log that is used here. */
interface Log {
  error(fields: object, message: string): void
}

/** A received notification. `kinds` are the kinds of the changed objects, as far as known. */
export interface ConfigNotice extends VersionId {
  readonly kinds: readonly SubjectKind[]
}

export interface ConfigFollower extends AsyncDisposable {
  /** Loads a committed version at once, if it is not served already. */
  hear(notice: ConfigNotice): void
  /** Checks for changes soon, and once more if a check is already running. */
  wake(): void
  /** Looks now, and resolves when what was committed before is served, or could not be read. */
  catchUp(): Promise<void>
  /** Loads the whole configuration. The first call starts the following of changes. */
  reload(): Promise<void>
  /** Whether the latest committed version was refused, and an earlier one is served in its place. */
  readonly isRefusing: () => boolean
}

const pollMs = 1_000

/**
 * Keeps the store at the latest committed version: on notice, and by a jittered look every second in case a notice is lost.
 * A configuration that does not compile or cannot be read is refused loudly, and the last good one stays.
 */
export function openConfigFollower(options: {
  readonly db: Db
  readonly box: SecretBox
  readonly store: SnapshotStore
  /** Called when the database has answered which version is the latest. */
  readonly onHeard?: () => void
  readonly log: Log
}): ConfigFollower {
  const { db, store, log } = options
  let isClosed = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let isWanted = false
  /** The newest notice that was not looked at yet. */
  let heardNotice: ConfigNotice | undefined
  let isRefusing = false

  const follow = async () => {
    // Read before the database is: what this process has committed itself must not look like a step back.
    const served = store.current()
    const heard = heardNotice
    heardNotice = undefined
    const isNews = heard && heard.version > served.version
    const latest = isNews ? heard : await getConfigVersion(db)
    options.onHeard?.()
    if (isSameVersion(latest, served)) isRefusing = false
    else await load(served, isNews ? heard : undefined)
  }
  const load = async (served: Snapshot, how?: LoadHints) => {
    try {
      await loadLatest(options, served, how)
      isRefusing = false
    } catch (error) {
      isRefusing ||= error instanceof RefusedError || error instanceof SecretBoxError
      throw error
    }
  }
  /** A refusal is logged once, although the same version is checked each second until it is corrected. */
  let loggedFault: string | undefined
  const tell = (error: Error) => {
    if (!isRefusing || error.message !== loggedFault)
      log.error({ err: error }, 'the configuration could not be followed')
    loggedFault = error.message
  }
  const run = async () => {
    do {
      isWanted = false
      await follow().catch(tell)
    } while (isWanted)
    running = undefined
    schedule()
  }
  const schedule = () => {
    clearTimeout(timer)
    // Jitter, or all gateways of an installation would ask in the same moment.
    if (!isClosed) timer = setTimeout(wake, pollMs * (0.75 + Math.random() / 2))
  }
  const wake = () => {
    if (isClosed) return
    isWanted = true
    running ??= run()
  }
  return {
    hear(heard) {
      // A version that this process has committed.
      if (isSameVersion(heard, store.current())) return
      heardNotice = heard
      wake()
    },
    wake,
    async catchUp() {
      wake()
      await running
    },
    async reload() {
      await load(store.current(), { whole: true }).finally(schedule)
    },
    isRefusing: () => isRefusing,
    async [Symbol.asyncDispose]() {
      isClosed = true
      isWanted = false
      clearTimeout(timer)
      await running
    },
  }
}

interface LoadHints {
  /** Reads all of it, and not only what has changed since. */
  readonly whole?: boolean
  /** Of what has changed. */
  readonly kinds?: readonly SubjectKind[]
}

interface LoadOptions {
  readonly db: Db
  readonly box: SecretBox
  readonly store: SnapshotStore
}

/**
 * Serves the latest configuration in place of `served` as soon as it is read and compiled. Throws if it does not compile.
 */
async function loadLatest(
  options: LoadOptions,
  served: Snapshot,
  { whole, kinds = [] }: LoadHints = {},
): Promise<void> {
  const { db, box, store } = options
  // On a busy machine each further way to the database and back is what a change waits for most.
  const change = whole || kinds.length === 0 ? undefined : await loadChangeOf(db, box, served, kinds)
  if (change) return publish(store, served, compileDelta(served, change))
  // One snapshot of the database, or the parts would not belong together.
  await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      const delta = whole ? undefined : await loadDelta(tx, box, served)
      const compiled = delta ? compileDelta(served, delta) : compileSnapshot(await loadConfiguration(tx, box))
      publish(store, served, compiled)
    })
}

function publish(store: SnapshotStore, served: Snapshot, compiled: CompileResult): void {
  if (!compiled.ok) throw notCompiled(compiled.problems)
  store.publish(compiled.snapshot, served)
}

/** The committed configuration cannot be served by this release. */
class RefusedError extends Error {
  override name = 'RefusedError'
}

function notCompiled(problems: readonly ConfigurationFault[]): Error {
  const texts = problems
    .slice(0, 20)
    .map(({ subjectId, path, message }) => `${subjectId} ${path.join('.')}: ${message}`)
  return new RefusedError(`The configuration does not compile; the last good one stays. ${texts.join(' ')}`)
}
