import { isDeepStrictEqual } from 'node:util'
import {
  findProviderForUpdate,
  type ProviderDraft,
  updateProvider as writeProvider,
} from '../../storage/provider/write.ts'
import { listRouteIdsOfBackends } from '../../storage/route/write.ts'
import type { Ref } from '../../storage/database/ref.ts'
import { type GivenLabel, requireFreeLabels } from '../backend/label.ts'
import type { Change } from '../change/commit.ts'
import { dropLimits } from '../limit/drop.ts'
import { refuseInput, RefusalError } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'
import { record } from './record.ts'

export interface ProviderEdit {
  readonly placeOfProvider?: readonly string[]
  /** The path in the arguments of a model, by its index in the provider's list; null: of the list. */
  readonly placeOfModel?: (index: number | null) => readonly string[]
  /** Returns the provider after the change. */
  readonly edit: (before: ProviderDraft) => ProviderDraft
}

/** Changes one provider: lock, compare the revision, edit, write and record. Returns its id. */
export async function editProvider(
  change: Change,
  ref: Ref,
  expectedRevision: number | null | undefined,
  { placeOfProvider, placeOfModel = placeInModels, edit }: ProviderEdit,
): Promise<string> {
  const before = await lockProvider(change, ref, placeOfProvider)
  requireRevision(before, expectedRevision)
  const after = edit(before)
  if (isDeepStrictEqual(before, after)) return before.id
  const modelIds = modelIdsLeftOut(before, after)
  await requireUnused(change, modelIds, placeOfModel(null), 'a model that is left out')
  await dropLimits(change, modelIds)
  await writeProvider(change.tx, change.control.box, before, after)
  record(change, before, after)
  await requireFreeLabels(change, before.id, newLabels(before, after, placeOfModel))
  return before.id
}

export function placeInModels(index: number | null): readonly string[] {
  return index === null ? ['input', 'models'] : ['input', 'models', String(index), 'upstreamModel']
}

/** The labels that the provider's models did not have before. A new name of the provider changes all labels. */
export function newLabels(
  before: ProviderDraft | null,
  after: ProviderDraft,
  placeOfModel: (index: number) => readonly string[],
): GivenLabel[] {
  const isRenamed = before?.name !== after.name
  const known = new Set(isRenamed ? [] : before?.models.map((model) => model.upstreamModel))
  return after.models.flatMap(({ upstreamModel }, index) => {
    const path = before && isRenamed ? ['input', 'name'] : placeOfModel(index)
    return known.has(upstreamModel) ? [] : [{ label: `${after.name}/${upstreamModel}`, path }]
  })
}

function modelIdsLeftOut(before: ProviderDraft, after: ProviderDraft): string[] {
  const remainingIds = new Set(after.models.map((model) => model.id))
  return before.models.map((model) => model.id).filter((id) => !remainingIds.has(id))
}

export async function lockProvider(
  change: Change,
  ref: Ref,
  path = ['input', 'provider'] as readonly string[],
): Promise<ProviderDraft> {
  const provider = await findProviderForUpdate(change.tx, change.control.box, ref)
  if (!provider) throw refuseInput('NOT_FOUND', path, 'There is no such provider.')
  return provider
}

export async function requireUnused(
  change: Change,
  modelIds: readonly string[],
  path: readonly string[],
  what: string,
): Promise<void> {
  if (modelIds.length === 0) return
  const usedByIds = await listRouteIdsOfBackends(change.tx, modelIds, 20)
  if (usedByIds.length === 0) return
  throw new RefusalError({
    kind: 'inUse',
    code: 'IN_USE',
    path,
    message: `Routes use ${what}: replace or remove their targets and fallbacks first.`,
    usedByIds,
  })
}
