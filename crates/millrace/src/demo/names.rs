//! Cities, first names and last names by country, most likely first: the tables of `people.rs`.
//! They are formatted by hand, because rustfmt would put each name on a line of its own.

pub(super) const CITIES_FR: &[&str] = &[
    "Paris", "Lyon", "Marseille", "Toulouse", "Nantes", "Bordeaux", "Lille", "Rennes", "Strasbourg",
    "Montpellier", "Nice", "Grenoble", "Angers", "Dijon", "Saint-Étienne", "Tours", "Nîmes", "Brest",
    "Annecy", "La Rochelle", "Besançon", "Orléans", "Rouen", "Caen", "Metz", "Pau", "L'Haÿ-les-Roses",
    "Quimper", "Chambéry", "Ajaccio",
];
pub(super) const FIRST_FR: &[&str] = &[
    "Marie", "Camille", "Julie", "Thomas", "Nicolas", "Léa", "Manon", "Sophie", "Chloé", "Julien", "Claire",
    "Antoine", "Émilie", "Mathieu", "Pauline", "Alexandre", "Céline", "Hélène", "Sébastien", "Aurélie",
    "François", "Inès", "Lucas", "Anaïs", "Hugo", "Zoé", "Benoît", "Nathalie", "Jérôme", "Mélanie", "Karim",
    "Sarah", "Étienne", "Amélie", "Yann", "Fatima", "Gaëlle", "Loïc", "Clémence", "Jean-Baptiste", "Agnès",
    "Noémie", "Rémi", "Aïcha", "Océane",
];
pub(super) const LAST_FR: &[&str] = &[
    "Martin", "Bernard", "Dubois", "Petit", "Robert", "Durand", "Leroy", "Moreau", "Simon", "Laurent",
    "Lefèvre", "Roux", "Michel", "Garcia", "Fournier", "Girard", "Mercier", "Lambert", "Bonnet", "Faure",
    "Rousseau", "Blanc", "Guérin", "Muller", "Chevalier", "Gauthier", "Perrin", "Marchand", "Dufour",
    "Le Gall", "Renard", "Benali", "Brun", "Barbier", "Arnaud", "Caron", "Fleury", "Nguyen", "Lemaître",
    "d'Almeida", "Vidal", "Poirier", "L'Hermitte", "Boulanger", "Prévost",
];
pub(super) const CITIES_BE: &[&str] = &[
    "Bruxelles", "Anvers", "Gand", "Liège", "Namur", "Charleroi", "Louvain", "Bruges", "Mons", "Tournai",
];
pub(super) const FIRST_BE: &[&str] = &[
    "Marie", "Lotte", "Thomas", "Joris", "Élise", "Pieter", "Sofie", "Olivier", "Anke", "Quentin", "Delphine",
    "Bram", "Maëlle", "Koen",
];
pub(super) const LAST_BE: &[&str] = &[
    "Peeters", "Janssens", "Maes", "Jacobs", "Dubois", "Mertens", "Willems", "Claes", "Lambert", "De Smet",
    "Dupont", "Van den Broeck", "Wouters", "D'Hondt", "Lejeune",
];
pub(super) const CITIES_ES: &[&str] = &[
    "Madrid", "Barcelona", "València", "Sevilla", "Bilbao", "Zaragoza", "Málaga", "Donostia", "Granada",
    "A Coruña",
];
pub(super) const FIRST_ES: &[&str] = &[
    "María", "Carmen", "José", "Lucía", "Antonio", "Javier", "Ana", "Íñigo", "Sofía", "Pablo", "Begoña",
    "Andrés", "Nuria", "Álvaro",
];
pub(super) const LAST_ES: &[&str] = &[
    "García", "Fernández", "González", "Rodríguez", "López", "Martínez", "Sánchez", "Pérez", "Gómez", "Muñoz",
    "Ibáñez", "Etxeberria", "Ortega", "Castaño", "Núñez",
];
pub(super) const CITIES_CH: &[&str] = &[
    "Genève", "Lausanne", "Zürich", "Neuchâtel", "Bâle", "Fribourg", "Berne", "Sion", "Vevey",
];
pub(super) const FIRST_CH: &[&str] = &[
    "Laura", "Marc", "Céline", "Luca", "Sarah", "Raphaël", "Nina", "Beat", "Aline", "Jürg", "Valérie", "Reto",
    "Mélissa",
];
pub(super) const LAST_CH: &[&str] = &[
    "Müller", "Favre", "Meier", "Rochat", "Keller", "Bonvin", "Weber", "Zürcher", "Blanc", "Huber", "Berset",
    "Gasser", "Schmid",
];
pub(super) const CITIES_DE: &[&str] = &[
    "Berlin", "München", "Hamburg", "Köln", "Frankfurt am Main", "Stuttgart", "Düsseldorf", "Leipzig",
    "Freiburg", "Nürnberg",
];
pub(super) const FIRST_DE: &[&str] = &[
    "Anna", "Lena", "Jan", "Katharina", "Stefan", "Jürgen", "Julia", "Sven", "Bärbel", "Florian", "Heike",
    "Jörg", "Mia", "Emre",
];
pub(super) const LAST_DE: &[&str] = &[
    "Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Wagner", "Becker", "Schäfer", "Koch", "Krüger",
    "Weiß", "Yılmaz", "Köhler", "Groß",
];
pub(super) const CITIES_IT: &[&str] = &[
    "Milano", "Roma", "Torino", "Bologna", "Firenze", "Genova", "Napoli", "Verona", "Forlì",
];
pub(super) const FIRST_IT: &[&str] = &[
    "Giulia", "Marco", "Francesca", "Luca", "Chiara", "Alessandro", "Niccolò", "Elena", "Matteo", "Sara",
];
pub(super) const LAST_IT: &[&str] = &[
    "Rossi", "Russo", "Ferrari", "Bianchi", "Romano", "Colombo", "D'Angelo", "Ricci", "Marini", "Dell'Orto",
];
pub(super) const CITIES_UK: &[&str] = &[
    "London", "Manchester", "Edinburgh", "Bristol", "Leeds", "Brighton", "Cardiff", "York",
];
pub(super) const FIRST_UK: &[&str] = &[
    "Emily", "Jack", "Sophie", "James", "Olivia", "Harry", "Siân", "Oliver", "Charlotte", "Zoë",
];
pub(super) const LAST_UK: &[&str] = &[
    "Smith", "Jones", "Taylor", "Brown", "Williams", "O'Connor", "Evans", "Khan", "Walker", "Wright",
];
pub(super) const CITIES_US: &[&str] = &[
    "New York", "Boston", "San Francisco", "Chicago", "Seattle", "Austin", "Portland", "Coeur d'Alene",
];
pub(super) const FIRST_US: &[&str] = &[
    "Emma", "Michael", "Ashley", "David", "Jessica", "José", "Grace", "Tyler", "Hannah", "Renée",
];
pub(super) const LAST_US: &[&str] = &[
    "Johnson", "Smith", "Williams", "Davis", "Garcia", "Miller", "O'Malley", "Nguyen", "Anderson", "Lee",
];
pub(super) const CITIES_CA: &[&str] = &[
    "Montréal", "Québec", "Toronto", "Gatineau", "Ottawa", "Sherbrooke", "Trois-Rivières", "Vancouver",
];
pub(super) const FIRST_CA: &[&str] = &[
    "Émilie", "Olivier", "Maude", "Félix", "Sophie", "Ariane", "Liam", "Geneviève", "Étienne", "Jasmine",
];
pub(super) const LAST_CA: &[&str] = &[
    "Tremblay", "Gagnon", "Roy", "Côté", "Bouchard", "Gauthier", "Morin", "Lavoie", "Pelletier", "MacDonald",
];
