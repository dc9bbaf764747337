module Empty

let nothing = ()
