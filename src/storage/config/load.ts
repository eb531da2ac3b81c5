import {
  type Configuration,
  type ConfigurationDelta,
  type ConfiguredObjects,
  mapKinds,
} from '../../routing/config/configuration.ts'
import { type SubjectKind, subjectKindOf, subjectKinds } from '../../routing/config/subject-kind.ts'
import type { Db } from '../database/db.ts'
import type { SecretBox } from '../secret/box.ts'
import { changedIds, historySince, type VersionId } from './history.ts'
import { storedKinds } from './stored-kinds.ts'

/**
 * The whole configuration. Call it in a transaction with a snapshot (`REPEATABLE READ`), or under the version's lock, so
 * that its parts belong together. Throws `SecretBoxError` if a secret cannot be opened.
 */
export async function loadConfiguration(db: Db, box: SecretBox): Promise<Configuration> {
  const { version, token } = await db
    .selectFrom('config_version')
    .select(['version', 'token'])
    .executeTakeFirstOrThrow()
  return { version, token, ...(await loadObjectsOf(db, box, () => undefined)) }
}

/**
 * The current state of the objects that changed after the version `base`. Undefined if the whole configuration must be loaded: the
 * stored changes do not reach back that far, or the database has another history than `base`. The same conditions as for
 * `loadConfiguration`.
 */
export async function loadDelta(db: Db, box: SecretBox, base: VersionId): Promise<ConfigurationDelta | undefined> {
  const { history } = await db.selectNoFrom(historySince(base).as('history')).executeTakeFirstOrThrow()
  const ids = changedIds(history, base)
  return ids && loadObjects(db, box, history, ids)
}

/** These objects as they are in this version. The same conditions as for `loadConfiguration`. */
export async function loadObjects(
  db: Db,
  box: SecretBox,
  { version, token }: VersionId,
  changed: Iterable<string>,
): Promise<ConfigurationDelta> {
  const ids = Map.groupBy(changed, subjectKindOf)
  const objects = await loadObjectsOf(db, box, (kind) => ids.get(kind) ?? [])
  return { configuration: { version, token, ...objects }, removed: findRemoved(ids, objects) }
}

/** `idsOf` says which objects of a kind are loaded; undefined: all. */
async function loadObjectsOf(
  db: Db,
  box: SecretBox,
  idsOf: (kind: SubjectKind) => readonly string[] | undefined,
): Promise<ConfiguredObjects> {
  const lists = new Map<SubjectKind, readonly object[]>()
  for (const kind of subjectKinds) {
    const ids = idsOf(kind)
    lists.set(kind, ids?.length === 0 ? [] : await storedKinds[kind].load(db, box, ids))
  }
  return mapKinds((kind) => lists.get(kind)!)
}

function findRemoved(
  ids: ReadonlyMap<SubjectKind | undefined, readonly string[]>,
  objects: ConfiguredObjects,
): ConfigurationDelta['removed'] {
  return subjectKinds.flatMap((kind) => {
    const present = new Set(objects[`${kind}s`].map(({ id }) => id))
    return (ids.get(kind) ?? []).filter((id) => !present.has(id)).map((id) => ({ kind, id }))
  })
}
