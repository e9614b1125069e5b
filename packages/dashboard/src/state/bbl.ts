/** BBLs as people write them: borough, block and lot, in ten digits or with something between them. */

const BOROUGHS = ['Manhattan', 'Bronx', 'Brooklyn', 'Queens', 'Staten Island'] as const;
const ALIASES: Readonly<Record<string, number>> = {
  manhattan: 1,
  mn: 1,
  bronx: 2,
  'the bronx': 2,
  bx: 2,
  brooklyn: 3,
  bk: 3,
  queens: 4,
  qn: 4,
  'staten island': 5,
  si: 5,
};

export type BblReading = { readonly bbl: string } | { readonly error: string };

/** Reads `1012650001`, `1-01265-0001`, `1/1265/1`, `Manhattan 1265 1`. The error is a sentence for people. */
export function readBbl(text: string): BblReading {
  const given = text.trim().toLowerCase();
  if (given === '') return { error: 'Enter a BBL: borough, block and lot.' };
  const parts = /^(\d)(\d{5})(\d{4})$/.exec(given) ?? /^([a-z ]+?|\d)[\s,/.-]+(\d{1,5})[\s,/.-]+(\d{1,4})$/.exec(given);
  if (!parts) {
    const digits = given.replace(/\D/g, '').length;
    return {
      error: /^[\d\s-]+$/.test(given)
        ? `A BBL has ten digits; this has ${digits}.`
        : 'Write ten digits, or borough, block and lot as in 1-1265-1.',
    };
  }
  const [, borough = '', block = '', lot = ''] = parts;
  const number = /^\d$/.test(borough) ? Number(borough) : (ALIASES[borough.trim()] ?? 0);
  if (number < 1 || number > 5) return { error: 'The borough is 1 (Manhattan) to 5 (Staten Island).' };
  if (Number(block) === 0) return { error: 'The block must not be 0.' };
  if (Number(lot) === 0) return { error: 'The lot must not be 0.' };
  return { bbl: `${number}${block.padStart(5, '0')}${lot.padStart(4, '0')}` };
}

export interface PlaceName {
  readonly title: string;
  readonly detail: string;
}

/** What a property is called on the screen. Ids that are no BBL are shown as they are. */
export function placeOf(id: string): PlaceName {
  const parts = /^([1-5])(\d{5})(\d{4})$/.exec(id);
  if (!parts) return { title: id, detail: 'Property' };
  const [, borough, block, lot] = parts;
  return { title: `${BOROUGHS[Number(borough) - 1]} ${Number(block)}–${Number(lot)}`, detail: `BBL ${id}` };
}
