import type { ObjectOrder } from '../../storage/database/page.ts'
import { builder } from '../schema/builder.ts'
import { ObjectOrderField, SortDirection } from './enums.ts'

export const ObjectOrderInput = builder.inputType('ObjectOrderInput', {
  description: 'How to order a list of objects. Objects that compare equal are in order of creation.',
  fields: (t) => ({
    field: t.field({
      type: ObjectOrderField,
      description: 'What to order by.',
      required: true,
      defaultValue: 'CREATED_AT',
    }),
    direction: t.field({
      type: SortDirection,
      description: 'Ascending or descending.',
      required: true,
      defaultValue: 'ASC',
    }),
  }),
})

const inOrderOfCreation: ObjectOrder = { field: 'CREATED_AT', direction: 'ASC' }

/** The selected order, and a list name that includes it: a cursor is valid only for the order in which it was made. */
export function orderList(name: string, orderBy: ObjectOrder | null | undefined): { order: ObjectOrder; list: string } {
  const order = orderBy ?? inOrderOfCreation
  const isUsual = order.field === 'CREATED_AT' && order.direction === 'ASC'
  return { order, list: isUsual ? name : `${name} by ${order.field} ${order.direction}` }
}
