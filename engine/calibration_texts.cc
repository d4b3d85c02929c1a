#include "engine/calibration_texts.h"

namespace attendant {
namespace {

constexpr std::string_view kTexts[] = {
    "cat",
    "What is the capital of France?",
    "Paris has been the capital of France for most of the last thousand years.",
    "The cat sat on the warm windowsill and watched the rain.",
    "A kitten was sleeping by the window while it poured outside.",
    "How do I reset my password if I no longer have access to my email address?",
    "To recover an account without its mailbox, open a support ticket and confirm two recent invoices.",
    "Interest rates were left unchanged on Thursday, as most economists had expected.",
    "The central bank held its benchmark rate at 4.25 percent and hinted at cuts next spring.",
    "stainless steel water bottle 750 ml, leakproof, blue",
    "Insulated drinking flask, 0.75 l, keeps cold for 24 hours",
    "running shoes men size 44",
    "Symptoms include fever, a dry cough, and loss of taste or smell lasting more than five days.",
    "The patient denies chest pain but reports shortness of breath when climbing stairs.",
    "def mean(values): return sum(values) / len(values)",
    "for (size_t i = 0; i < rows.size(); ++i) total += rows[i].price * rows[i].count;",
    "SELECT name, COUNT(*) FROM orders GROUP BY name HAVING COUNT(*) > 3;",
    "ERROR 2024-05-17 03:12:44 connection to 10.0.3.7:5432 refused after 3 attempts",
    "I absolutely loved this film; the ending made the whole cinema cry.",
    "Worst two hours of my life. The plot makes no sense and the sound is terrible.",
    "The soup was lukewarm, but the waiter was kind and brought another bowl at once.",
    "ok",
    "Thanks!!!",
    "1234567890",
    "3.14159 is close to the ratio of a circle's circumference to its diameter.",
    "Photosynthesis turns carbon dioxide and water into sugar and oxygen, using light.",
    "Plants make their own food from sunlight, air and water.",
    "The mitochondrion is where most of a cell's energy carrier is made.",
    "Who painted the ceiling of the Sistine Chapel?",
    "Michelangelo worked on the chapel's ceiling between 1508 and 1512, mostly standing on a scaffold.",
    "Turn left at the second traffic light and the library is opposite the bakery.",
    "Shall we meet on Tuesday at half past nine, or would Wednesday suit you better?",
    "The tenant shall give written notice of at least three months before the end of a calendar quarter.",
    "Either party may terminate this agreement for good cause if the other fails to cure a material breach.",
    "Preheat the oven to 180 degrees, fold the flour into the beaten eggs, and bake for thirty-five minutes.",
    "A simple sponge cake needs eggs, sugar, flour and patience.",
    "Quarterly revenue grew by 12 percent to 3.4 billion, while operating costs fell for the second time.",
    "Guten Morgen, wie komme ich am besten zum Hauptbahnhof?",
    "Der schnellste Weg zum Bahnhof ist die Linie vier, sie kommt alle sieben Minuten.",
    "La biblioteca abre a las nueve y cierra a las ocho de la tarde.",
    "Le train de nuit traverse les montagnes et arrive au lever du jour.",
    "Быстрая коричневая лиса перепрыгивает через ленивую собаку.",
    "今日は天気がいいので、公園を散歩しましょう。",
    "深度学习模型需要大量的数据。",
    "안녕하세요, 만나서 반갑습니다.",
    "مرحبا بالعالم",
    "Zażółć gęślą jaźń",
    "http://example.com/search?q=embedding+server&page=2",
    "user@example.com wrote: please find the minutes attached",
    "Beethoven's ninth symphony, second movement, molto vivace",
    "quantum entanglement of two photons over a distance of a hundred kilometres",
    "The two particles share one state, so measuring the first fixes what the second will show.",
    "Penguins huddle against the wind and take turns at the cold edge of the group.",
    "The goalkeeper guessed the right corner, but the ball was already in the net.",
    "United won three to one away from home, their first victory in six matches.",
    "How many moons does Jupiter have?",
    "Ninety-five moons of Jupiter have been confirmed, the four largest of them seen by Galileo in 1610.",
    "In the beginning there was only the sound of the sea, and nobody to hear it. Then came the first boats, low and "
    "narrow, with their sails the colour of rust, and the people who stepped out of them gave names to the bays.",
    "A hash table stores its entries in an array of buckets and finds the bucket of a key by a function of the key. As "
    "long as the function spreads the keys well and the table grows in time, insertion and lookup take constant time "
    "on average; when many keys fall into one bucket, both degrade to a search through a list.",
    "The committee met on the third of March to consider the plan for the northern district. Residents asked for more "
    "trees, for a crossing near the school and for quieter surfaces on the ring road. The engineers answered that the "
    "crossing could be built within the year, that the trees depended on the course of the water main, and that the "
    "surface would be renewed when the tram line was extended. A vote was put off until the costs are known.",
    "To install the pump, first close both valves and let the pressure fall to zero. Remove the four bolts of the "
    "flange, keep the gasket, and lift the old unit straight up. Clean the seat, put a new gasket in its place, lower "
    "the new unit and tighten the bolts crosswise to forty newton metres. Open the inlet slowly, watch for leaks for "
    "five minutes, and only then open the outlet and switch the motor on.",
    "vector database, approximate nearest neighbour search, cosine similarity, recall at ten",
    "The similarity of two texts is measured by the angle between their vectors, not by their length.",
    "not bad at all",
};

}  // namespace

std::span<const std::string_view> CalibrationTexts() { return kTexts; }

}  // namespace attendant
