import type { AuditChange } from '../../storage/audit/tables.ts'
import { listAuditEntries } from '../../storage/audit/read.ts'
import { ActorRef, loadActor } from '../kit/actor.ts'
import { administers, mayReadAudit, readsAudit, requireAuditReader } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { connect, connectionType, pageArgs, pageCost } from '../kit/connection.ts'
import { loadNode } from '../schema/node.ts'
import { AuditEntryRef } from './ref.ts'
import { NodeRef } from '../schema/refs.ts'
import { requireForwards, TimeRangeInput } from '../usage/input.ts'

const AuditChangeRef = builder.objectRef<AuditChange>('AuditChange').implement({
  description: 'What a change did to one field.',
  fields: (t) => ({
    field: t.exposeString('field', { description: 'Its name.' }),
    before: t.exposeString('before', { nullable: true, description: 'JSON; null if there was none.' }),
    after: t.exposeString('after', { nullable: true, description: 'JSON; null if there is none.' }),
  }),
})

builder.objectType(AuditEntryRef, {
  description: 'One entry of the append-only audit log.',
  interfaces: [NodeRef],
  authScopes: (_entry, { actor }) => mayReadAudit(actor) || administers,
  fields: (t) => ({
    at: t.field({ type: 'DateTime', description: 'When it was committed.', resolve: (entry) => entry.at }),
    actor: t.field({
      type: ActorRef,
      nullable: true,
      description: 'Null if the actor was deleted.',
      resolve: (entry, _args, context) => loadActor(context, entry.actor_id),
    }),
    actorId: t.exposeID('actor_id', { description: "Readable after the actor's deletion." }),
    actorLabel: t.string({
      description: 'Its name at that time, with the name of its owner.',
      // Entries written by an earlier release have no label.
      resolve: (entry) => entry.actor_label ?? entry.actor_id,
    }),
    configVersion: t.field({
      type: 'SafeInt',
      nullable: true,
      description:
        'The version that the change created; entries are in this order. Null: recorded by an earlier release.',
      resolve: (entry) => entry.config_version,
    }),
    action: t.exposeString('action', { description: 'The mutation field, e.g. `routeTrafficSet`.' }),
    reason: t.exposeString('reason', { nullable: true, description: 'Why, in the words of the actor.' }),
    subject: t.field({
      type: NodeRef,
      nullable: true,
      description: 'Null if it was deleted.',
      resolve: (entry, _args, context) => loadNode(context, entry.subject_id),
    }),
    subjectId: t.exposeID('subject_id', { description: 'What was changed, deleted or not.' }),
    changes: t.expose('changes', { type: [AuditChangeRef], description: 'Changed fields; a secret shows as `***`.' }),
  }),
})

const AuditEntryConnection = connectionType('AuditEntry', AuditEntryRef, {
  isCounted: false,
  description: 'A page of the audit log.',
})

const AuditFilterInput = builder.inputType('AuditFilterInput', {
  description: 'Fields combine with AND, the values of one field with OR.',
  fields: (t) => ({
    subjectIds: t.idList({ description: 'Changes of these objects.' }),
    actorIds: t.idList({ description: 'Changes by these users or keys.' }),
    actions: t.stringList({ description: 'Changes by these mutation fields, e.g. `routeTrafficSet`.' }),
  }),
})

function withSubject(ids: readonly string[] | null, id: string | null): readonly string[] | null {
  if (id === null) return ids
  return ids === null || ids.includes(id) ? [id] : []
}

builder.queryField('auditLog', (t) =>
  t.field({
    type: AuditEntryConnection,
    description:
      'Newest first, in the order of the commits, so that a reader who follows its cursors misses nothing. For administrators, and for operators with `CONFIG_READ`.',
    authScopes: readsAudit,
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      range: t.arg({ type: TimeRangeInput, description: 'Omitted: all of it.' }),
      subjectId: t.arg.id({
        description: 'Only changes of this object; the same as one of `filter.subjectIds`.',
      }),
      filter: t.arg({ type: AuditFilterInput, description: 'Omitted: all of it.' }),
    },
    resolve: (_root, args, context, info) => {
      requireAuditReader(context.actor)
      const { range, subjectId, filter: given } = args
      if (range) requireForwards(range)
      const filter = {
        from: range?.from ?? null,
        to: range?.to ?? null,
        subjectIds: withSubject(given?.subjectIds ?? null, subjectId ?? null),
        actorIds: given?.actorIds ?? null,
        actions: given?.actions ?? null,
      }
      const source = {
        list: 'auditLog',
        read: (request: Parameters<typeof listAuditEntries>[2]) => listAuditEntries(context.db, filter, request),
      }
      return connect(context, source, args, info)
    },
  }),
)
