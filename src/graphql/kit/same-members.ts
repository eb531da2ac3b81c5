/** The paths of all members of an input, at every depth: `name`, `targets.weight`. */
type MemberPath<T> = T extends readonly (infer Item)[]
  ? MemberPath<Item>
  : T extends Date
    ? never
    : T extends object
      ? { [Name in keyof T & string]-?: Name | `${Name}.${MemberPath<NonNullable<T[Name]>>}` }[keyof T & string]
      : never

/** `unknown` if an input of the schema has exactly the members of the command's input; else what the two do not share. */
export type SameMembers<Shape, Input> = [MemberPath<Shape>, MemberPath<Input>] extends [
  MemberPath<Input>,
  MemberPath<Shape>,
]
  ? unknown
  : {
      readonly onlyInSchema: Exclude<MemberPath<Shape>, MemberPath<Input>>
      readonly onlyInCommand: Exclude<MemberPath<Input>, MemberPath<Shape>>
    }
