import { type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql'

/** Whether any of these fields is selected below the field that is being resolved. */
export function isAnySelected(info: GraphQLResolveInfo, names: ReadonlySet<string>): boolean {
  return info.fieldNodes.some((node) => node.selectionSet && selects(info, node.selectionSet, names))
}

function selects(info: GraphQLResolveInfo, { selections }: SelectionSetNode, names: ReadonlySet<string>): boolean {
  return selections.some((selection) => {
    if (selection.kind === Kind.FIELD && names.has(selection.name.value)) return true
    const below =
      selection.kind === Kind.FRAGMENT_SPREAD
        ? info.fragments[selection.name.value]?.selectionSet
        : selection.selectionSet
    return below !== undefined && selects(info, below, names)
  })
}
