// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {MarketTest} from "./MarketTest.sol";
import {AnsweringTerms, ExactTerms, ThoroughTerms, TrustingTerms} from "./TermsContracts.sol";

/// @notice Sellers' own contracts that have a say, and what they can do to a job: refuse it, and nothing else.
contract HooksTest is MarketTest {
    AnsweringTerms private _answering;

    function setUp() public override {
        super.setUp();
        _answering = new AnsweringTerms();
    }

    function test_aContractThatAgreesLetsAJobPass() public {
        IJobEscrow.JobRequest memory request = _over(_guardedBy(address(_answering)));
        _eq(escrow.explain(BUYER, request).length, 0, "nothing to explain");
        _create(BUYER, request, _price(1));
    }

    function test_everyAnswerButAYesRefuses() public {
        IJobEscrow.JobRequest memory request = _over(_guardedBy(address(_answering)));
        uint8 last = uint8(AnsweringTerms.Manner.ReturnsMuch);
        for (uint8 manner = uint8(AnsweringTerms.Manner.Refuses); manner <= last; ++manner) {
            _answering.behave(AnsweringTerms.Manner(manner));
            _refused(request, address(_answering));
            IOfferRegistry.TermFailure[] memory failures = escrow.explain(BUYER, request);
            _eq(failures.length, 1, "failures");
            _eq(uint256(failures[0].term), uint256(IOfferRegistry.Term.Hook), "term");
        }
    }

    function test_whereNoCodeIsNobodyAgrees() public {
        _refused(_over(_guardedBy(STRANGER)), STRANGER);
        // Some addresses answer everything that they are asked: what comes back is no yes.
        for (uint160 precompile = 1; precompile <= 10; ++precompile) {
            _refused(_over(_guardedBy(address(precompile))), address(precompile));
        }
    }

    function test_itIsToldWhatIsAskedFor() public {
        IOfferRegistry.JobFacts memory facts =
            IOfferRegistry.JobFacts(BUYER, _set(), ALGORITHM, address(0), 300, keccak256("research"));
        IOfferRegistry.OfferUse memory use = _guardedBy(STRANGER);
        use.rules[0].rules.hook = address(new ExactTerms(keccak256(abi.encode(facts, SELLER, use.dataRoot))));
        use.terms.rulesHash = keccak256(abi.encode(use.rules[0].rules));
        _relist(use);
        IJobEscrow.JobRequest memory request = _over(use);
        (request.microRho, request.purpose) = (300, facts.purpose);
        _create(BUYER, request, _price(1));
        request.microRho = 301;
        _refused(request, use.rules[0].rules.hook);
        request.microRho = 300;
        request.purpose = 0;
        _refused(request, use.rules[0].rules.hook);
    }

    // ---- gas ---------------------------------------------------------------------------------------

    function test_itHasAHundredThousandGas() public {
        _create(BUYER, _over(_guardedBy(address(new ThoroughTerms(95_000)))), _price(1));
        address greedy = address(new ThoroughTerms(100_000));
        _refused(_over(_guardedBy(greedy)), greedy);
    }

    function test_oneThatSpendsAllCostsNoMoreThanItsLimit() public {
        IJobEscrow.JobRequest memory request = _over(_guardedBy(address(_answering)));
        _answering.behave(AnsweringTerms.Manner.SpendsAll);
        uint256 before = gasleft();
        escrow.explain(BUYER, request);
        _true(before - gasleft() < 300_000, "the limit, and what the question costs");
    }

    /// A contract that goes on when the one that it asks has failed must not be starved into a yes.
    function test_aBuyerCannotStarveItIntoAYes() public {
        TrustingTerms trusting = new TrustingTerms();
        IJobEscrow.JobRequest memory request = _over(_guardedBy(address(trusting)));
        _refused(request, address(trusting));
        // From too little for the question to enough for all of the job.
        for (uint256 gas_ = 60_000; gas_ < 400_000; gas_ += 2000) {
            vm.prank(BUYER);
            try escrow.createJob{value: _price(1), gas: gas_}(request) {
                _true(false, "funded by sending little gas");
            } catch {}
        }
        _eq(BUYER.balance, 100 ether, "nothing was funded");
    }

    // ---- what it cannot do -------------------------------------------------------------------------

    function test_itChangesNothing() public {
        IOfferRegistry.OfferUse memory use = _guardedBy(address(_answering));
        IJobEscrow.JobRequest memory request = _over(use);
        _answering.behave(AnsweringTerms.Manner.Writes);
        _refused(request, address(_answering));
        _answering.behave(AnsweringTerms.Manner.Calls);
        IOfferRegistry.OfferInput memory input = _input("of the contract");
        bytes[4] memory calls = [
            abi.encodeCall(offers.publish, (input)),
            abi.encodeCall(escrow.createJob, (request)),
            abi.encodeCall(operators.createSet, ([members[2], members[1], members[0]])),
            abi.encodeCall(operators.acceptToken, (STRANGER, 1))
        ];
        for (uint256 i; i < 4; ++i) {
            _answering.prepare(i < 2 ? address(escrow) : address(operators), calls[i]);
            _refused(request, address(_answering));
        }
        // Looking is allowed.
        _answering.prepare(address(escrow), abi.encodeCall(offers.listing, (SELLER, _set(), use.dataRoot)));
        _create(BUYER, request, _price(1));
    }

    // ---- steps of this file ------------------------------------------------------------------------

    function _guardedBy(address hook) private returns (IOfferRegistry.OfferUse memory) {
        IOfferRegistry.Rules memory rules;
        rules.hook = hook;
        return _offeredUnder(SELLER, rules, EXACT);
    }

    function _refused(IJobEscrow.JobRequest memory request, address hook) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IOfferRegistry.TermRefused.selector,
                request.offers[0].dataRoot,
                IOfferRegistry.Term.Hook,
                uint256(uint160(BUYER)),
                uint256(uint160(hook))
            )
        );
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
    }
}
