import type { AuditChange } from '../storage/configuration-tables.ts'
import { listAuditEntries } from '../storage/audit-read.ts'
import { ActorRef, loadActor } from './actor.ts'
import { administers } from './authorisation.ts'
import { builder } from './builder.ts'
import { connect, connectionType, pageArgs, pageCost } from './connection.ts'
import { loadNode } from './node.ts'
import { AuditEntryRef, NodeRef } from './refs.ts'
import { requireForwards, TimeRangeInput } from './usage-input.ts'

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
  authScopes: administers,
  fields: (t) => ({
    at: t.field({ type: 'DateTime', description: 'When it was committed.', resolve: (entry) => entry.at }),
    actor: t.field({
      type: ActorRef,
      nullable: true,
      description: 'Null if the actor was deleted.',
      resolve: (entry, _args, context) => loadActor(context, entry.actor_id),
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

builder.queryField('auditLog', (t) =>
  t.field({
    type: AuditEntryConnection,
    description: 'Newest first.',
    authScopes: administers,
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      range: t.arg({ type: TimeRangeInput, description: 'Omitted: all of it.' }),
      subjectId: t.arg.id({ description: 'Only what was done to this object.' }),
    },
    resolve: (_root, args, context, info) => {
      const { range, subjectId } = args
      if (range) requireForwards(range)
      const filter = { from: range?.from ?? null, to: range?.to ?? null, subjectId: subjectId ?? null }
      const source = {
        list: 'auditLog',
        read: (request: Parameters<typeof listAuditEntries>[2]) => listAuditEntries(context.db, filter, request),
      }
      return connect(context, source, args, info)
    },
  }),
)
