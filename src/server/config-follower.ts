import { compileDelta, compileSnapshot } from '../routing/compile.ts'
import type { Problem } from '../routing/route-rules.ts'
import type { Snapshot } from '../routing/snapshot.ts'
import { loadConfiguration, loadDelta } from '../storage/configuration.ts'
import { getConfigVersion } from '../storage/config-version.ts'
import type { Db } from '../storage/database.ts'
import type { SecretBox } from '../storage/secret-box.ts'
import type { SnapshotStore } from './snapshot-store.ts'

/** The part of the log that is used here. */
interface Log {
  error(fields: object, message: string): void
}

export interface ConfigFollower extends AsyncDisposable {
  /** A change was committed as this version: it is loaded at once, if it is not served already. */
  hear(version: number): void
  /** Something may have changed: looks soon, and once more if it was looking already. */
  wake(): void
  /** Looks now, and resolves when what was committed before is served, or could not be read. */
  catchUp(): Promise<void>
  /** Loads everything anew, whatever is known. With the first call the following begins. */
  reload(): Promise<void>
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
  readonly log: Log
}): ConfigFollower {
  const { db, store, log } = options
  let isClosed = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let isWanted = false
  /** 0: none that was not looked at. */
  let heardVersion = 0
  const publish = (snapshot: Snapshot) => store.publish(snapshot)
  const restore = (snapshot: Snapshot) => store.restore(snapshot)

  const follow = async () => {
    // Read before the database is: what this process has committed itself must not look like a step back.
    const served = store.current().version
    const heard = heardVersion
    heardVersion = 0
    const version = heard > served ? heard : (await getConfigVersion(db)).version
    if (version > served) await loadLatest(options, store.current(), publish)
    else if (version < served) await loadLatest(options, undefined, restore)
  }
  const run = async () => {
    do {
      isWanted = false
      await follow().catch((error: unknown) => log.error({ err: error }, 'the configuration could not be followed'))
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
    hear(version) {
      // What this process has committed itself.
      if (version === store.current().version) return
      heardVersion = version
      wake()
    },
    wake,
    async catchUp() {
      wake()
      await running
    },
    async reload() {
      await loadLatest(options, undefined, publish).finally(schedule)
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      isWanted = false
      clearTimeout(timer)
      await running
    },
  }
}

/** Serves the latest configuration as soon as it is read and compiled. Throws if it does not compile. */
async function loadLatest(
  { db, box }: { readonly db: Db; readonly box: SecretBox },
  base: Snapshot | undefined,
  serve: (snapshot: Snapshot) => void,
): Promise<void> {
  // One snapshot of the database, or the parts would not belong together.
  await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      const delta = base && (await loadDelta(tx, box, base.version))
      const compiled = base && delta ? compileDelta(base, delta) : compileSnapshot(await loadConfiguration(tx, box))
      if (!compiled.ok) throw notCompiled(compiled.problems)
      serve(compiled.snapshot)
    })
}

function notCompiled(problems: readonly Problem[]): Error {
  const texts = problems
    .slice(0, 20)
    .map(({ subjectId, path, message }) => `${subjectId} ${path.join('.')}: ${message}`)
  return new Error(`The configuration does not compile; the last good one stays. ${texts.join(' ')}`)
}
